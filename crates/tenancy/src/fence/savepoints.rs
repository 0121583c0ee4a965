//! Savepoints: a part of a unit that can be undone without losing the unit.

use rylie_connection::Transaction;

use crate::error::Result;

/// A part of a unit: what the unit does from here on is kept or undone together.
///
/// Dropped without [`keep`](Self::keep), as by `?` or by cancellation, it is undone before the unit's next
/// statement or its commit. Savepoints nest: the end of an outer one ends those within. It also mends: a unit in which
/// a statement failed goes on once a savepoint made before the failure is undone.
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

    /// Keeps what was done since; it becomes durable with the unit. One round trip.
    ///
    /// [`Error::UnitFailed`](crate::Error::UnitFailed) if a statement failed meanwhile: what was done is then undone.
    pub async fn keep(mut self) -> Result<()> {
        if let Some((transaction, number)) = self.of {
            transaction.release(number).await?;
            self.of = None;
        }
        Ok(())
    }

    /// Undoes what was done since. Dropping does the same, later.
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
