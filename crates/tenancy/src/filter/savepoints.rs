//! Savepoints: parts of a unit that can be undone alone.

use rylie_connection::Transaction;

use crate::error::Result;

/// A part of a unit that is kept or undone as a whole.
///
/// A savepoint dropped without [`keep`](Self::keep), as by `?` or cancellation, is undone before the unit's next
/// statement or its commit. Savepoints nest: the end of an outer one ends the inner ones. After a failed statement,
/// undoing a savepoint created before it makes the unit usable again.
#[must_use = "a savepoint that is not kept is undone"]
#[derive(Default)]
pub struct Savepoint<'unit> {
    /// `None` in a mocked unit, and after the end.
    of: Option<(&'unit Transaction, u64)>,
}

impl<'unit> Savepoint<'unit> {
    pub(crate) async fn make(transaction: &'unit Transaction) -> Result<Self> {
        Ok(Self { of: Some((transaction, transaction.savepoint().await?)) })
    }

    /// Keeps the changes since; they become durable with the unit. One round trip.
    ///
    /// Fails with [`Error::UnitFailed`](crate::Error::UnitFailed) if a statement failed since; the changes are then
    /// undone. Fails with [`Error::Invalid`](crate::Error::Invalid) if an outer savepoint has ended.
    pub async fn keep(mut self) -> Result<()> {
        if let Some((transaction, number)) = self.of {
            transaction.release(number).await?;
            self.of = None;
        }
        Ok(())
    }

    /// Undoes the changes since. Dropping does the same, later.
    pub async fn undo(mut self) -> Result<()> {
        if let Some((transaction, number)) = self.of.take() {
            transaction.undo(number);
            transaction.settle().await?;
        }
        Ok(())
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if let Some((transaction, number)) = self.of {
            transaction.undo(number);
        }
    }
}

impl std::fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Savepoint").field(&self.of.map(|(_, number)| number)).finish()
    }
}
