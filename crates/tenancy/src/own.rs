//! A service's own tables: every access goes through the tenant filter, as the platform's own repositories do.

mod condition;
mod fill;
mod reads;
mod related;
mod removal;
mod writes;

use rylie_entities::RepositoryTable;
use sea_orm::sea_query::{IntoCondition, Order};
use sea_orm::{ColumnTrait, Condition, IdenStatic};

use crate::error::{Error, Result};
use crate::filter::{Rows, Tx};
use crate::soft_deleted::{is_deleted, one};

/// The rows of one own table that a unit reaches.
///
/// Without a call that says otherwise, soft-deleted rows are excluded, and lists begin with the newest row. Conditions
/// may use the table's own columns, values and operators. A sub-query, a function by name or SQL text is refused with
/// [`Error::Invalid`]: it could read rows that the tenant filter does not see.
///
/// Every method fails with [`Error::Invalid`] for a table that the store does not know, and for a refused condition. A
/// method that names its rows itself also does for any condition. Beyond that, a method names only its own errors; see
/// also the [errors of every call](Error#errors-of-every-call).
#[must_use = "it reads and writes nothing until a method is awaited"]
pub struct Table<'tx, E: RepositoryTable> {
    tx: &'tx Tx,
    condition: Condition,
    size: condition::Size,
    order: Vec<(E::Column, Order)>,
    oldest_first: bool,
    deleted: bool,
    at_once: bool,
    refused: Option<Refused>,
}

impl<E: RepositoryTable> Clone for Table<'_, E> {
    fn clone(&self) -> Self {
        Self { condition: self.condition.clone(), order: self.order.clone(), ..*self }
    }
}

/// Why a table or a condition is refused: the error's `what` and `reason`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) &'static str, pub(crate) &'static str);

impl Refused {
    pub(crate) fn error(self) -> Error {
        Error::Invalid { what: self.0, reason: self.1 }
    }
}

impl<'tx, E: RepositoryTable> Table<'tx, E> {
    /// Begins a call on a table. `registered` states whether the store knows it.
    pub fn new(tx: &'tx Tx, registered: bool) -> Self {
        let refused = if registered {
            let foreign =
                E::TENANT.as_str() != "tenantId" || E::ID.as_str() != "id" || E::default().table_name() != E::TABLE;
            foreign.then_some(Refused(
                "the table",
                "its key must be the column \"id\" and its tenant the column \"tenantId\"",
            ))
        } else {
            Some(Refused(
                E::TABLE,
                "the store does not know this table; name its entity in the `Schema` of the configuration",
            ))
        };
        let (condition, size, order) = (Condition::all(), condition::Size::default(), Vec::new());
        Self { tx, condition, size, order, oldest_first: false, deleted: false, at_once: false, refused }
    }

    /// Adds a condition on the table's columns. All conditions of a call have together at most 200 parts, nested or side
    /// by side, and 30,000 values.
    pub fn filter(self, condition: impl IntoCondition) -> Self {
        let condition = condition.into_condition();
        let size = condition::checked::<E>(&condition);
        self.with(condition, size)
    }

    fn with(mut self, condition: Condition, size: std::result::Result<condition::Size, Refused>) -> Self {
        match size.and_then(|size| self.size.and(size)) {
            Ok(size) => (self.condition, self.size) = (self.condition.add(condition), size),
            Err(refused) => self.refused = self.refused.or(Some(refused)),
        }
        self
    }

    /// Adds the condition that a column of texts has one of these. They are one value of the statement, so no limit on
    /// values applies.
    pub fn among(self, column: E::Column, texts: impl IntoIterator<Item = impl ToString>) -> Self {
        use sea_orm::sea_query::ColumnType as Type;
        let size = match column.def().get_column_type() {
            Type::Text | Type::String(_) | Type::Enum { .. } => Ok(condition::Size::default()),
            _ => Err(Refused("the condition", "`among` takes a column of texts; use `is_in` for another one")),
        };
        let condition = self.tx.one_of(column, texts.into_iter().map(|text| text.to_string()));
        self.with(Condition::all().add(condition), size)
    }

    /// Begins the unit in the round trip of this call, if it is the unit's first. The values of the conditions and of a
    /// change may then stand in the statement's text, which the server shows to its administrators. So this is for ids,
    /// labels and times, not for texts of users. Without it, only reads by id and lists without a condition do so.
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Sorts a page by this column, instead of the table's order. Calls add up. Null counts as the greatest value on both
    /// engines.
    pub fn order_by(mut self, column: E::Column, order: Order) -> Self {
        self.order.push((column, order));
        self
    }

    /// Begins lists with the oldest row.
    pub fn oldest_first(self) -> Self {
        Self { oldest_first: true, ..self }
    }

    /// Returns only soft-deleted rows, instead of the others.
    pub fn deleted(mut self) -> Self {
        if E::SOFT.is_none() {
            self.refused =
                self.refused.or(Some(Refused("the table", "its rows are removed at once, not soft-deleted")));
        }
        self.deleted = true;
        self
    }

    pub(crate) fn direction(&self) -> Order {
        if self.oldest_first { Order::Asc } else { Order::Desc }
    }

    /// Returns the row with this id, if it meets the condition.
    pub(crate) fn row(&self, id: &E::Id) -> Result<Rows<'tx, E>> {
        let rows = self.tx.rows::<E>().filter(self.of_row(id)?);
        Ok(if self.at_once { rows.at_once() } else { rows })
    }

    /// Returns the condition of the row with this id.
    pub(crate) fn of_row(&self, id: &E::Id) -> Result<Condition> {
        self.wanted()?;
        Ok(one::<E>(id, self.deleted).add_option((!self.condition.is_empty()).then(|| self.condition.clone())))
    }

    /// Returns the condition of the caller and of soft delete.
    pub(crate) fn wanted(&self) -> Result<Condition> {
        match self.refused {
            Some(refused) => Err(refused.error()),
            None => Ok(self.condition.clone().add_option(is_deleted::<E>(self.deleted))),
        }
    }

    pub(crate) fn rows(&self) -> Result<Rows<'tx, E>> {
        let rows = self.tx.rows::<E>().filter(self.wanted()?);
        Ok(if self.at_once { rows.at_once() } else { rows })
    }

    /// Fails if the call has a condition, which its method would not apply.
    pub(crate) fn whole(&self) -> Result<()> {
        self.wanted()?;
        if self.condition.is_empty() {
            return Ok(());
        }
        let reason = "this method names its rows itself and applies no condition; read the rows first";
        Err(Error::Invalid { what: "the condition", reason })
    }

    /// Returns whether the call has no condition of the caller, so that a cached statement serves it.
    pub(crate) fn is_plain(&self) -> bool {
        self.condition.is_empty() && !self.deleted && self.refused.is_none()
    }
}
