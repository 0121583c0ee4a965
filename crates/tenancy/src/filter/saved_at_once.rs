//! Saves a row that a user has once, and commits, in one round trip.

use rylie_audit::Event;
use rylie_connection::WritingFunction;
use rylie_entities::{Decoded, TenantOwned, UserId, audit_log};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Iterable, QueryResult, Statement, Value};

use super::columns::{all_columns, number_of_columns};
use super::recording::row as record_row;
use super::written_once::{Once, record_json};
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::scope::{Reach, TenantScope};

/// The outcome of [`Tx::save_row_of`].
#[derive(Debug)]
pub enum SavedRow<M> {
    /// The row as stored.
    Saved(M),
    /// The user's row has another id than the given one. Nothing was written.
    HasOtherId(M),
    /// The user has no row, and a row out of reach has the given id. Nothing was written.
    IdIsTaken,
}

impl Tx {
    /// Adds or updates the row of a user in a table where each user has one, and records `event` with it. `set` are the
    /// columns in the order of the function's parameters. The id is known before, because sealed values are bound to
    /// it.
    ///
    /// One round trip in a unit that has not begun: `function` is its own transaction. In any other unit the write is
    /// part of the unit, so the caller commits in either case.
    ///
    /// If the connection breaks during that round trip, its outcome is unknown. Then the unit begins,
    /// and the row is saved again. The record has the same id: if it is taken, the row was saved before. An error of
    /// that attempt is returned if the record is not there. Fails with [`Error::OutcomeUnknown`] if the outcome of the
    /// first attempt stays unknown.
    ///
    /// Fails with [`Error::NotFound`] if the user is out of reach, and as [`may_act_for`](Self::may_act_for) does.
    pub async fn save_row_of<E: TenantOwned + Decoded>(
        &self,
        function: &'static str,
        scope: &TenantScope,
        owner: &UserId,
        (id, set): (&str, &E::ActiveModel),
        event: &Event,
    ) -> Result<SavedRow<E::Model>> {
        let record = record_row(self, event);
        let statement = self.saving::<E>(function, scope, owner, (id, set), &record)?;
        if !self.writes_alone(WritingFunction::SaveConnection) {
            return self.saved::<E>(owner, &self.connection().await?.query_all_raw(statement).await?);
        }
        let read = |rows: &[QueryResult]| self.saved::<E>(owner, rows);
        match self.write_once::<E, _>(statement, record, read).await? {
            Once::Done(saved) => Ok(saved),
            Once::DoneBefore(fault) => match self.rows::<E>().filter(E::owned_by(owner)).one().await {
                Ok(Some(row)) => Ok(SavedRow::Saved(row)),
                _ => Err(Error::OutcomeUnknown(fault)),
            },
        }
    }

    /// Returns the call of the function.
    fn saving<E: TenantOwned + Decoded>(
        &self,
        function: &str,
        scope: &TenantScope,
        owner: &UserId,
        (id, set): (&str, &E::ActiveModel),
        record: &audit_log::ActiveModel,
    ) -> Result<Statement> {
        let mut values: Vec<Value> = vec![
            scope.tenant().into(),
            scope.user().id().into(),
            owner.into(),
            (scope.reach() == Reach::Own).into(),
            id.into(),
        ];
        values.extend(E::Column::iter().filter_map(|column| set.get(column).into_value()));
        values.push(record_json(record)?.into());
        let (table, columns) = (E::default().table_name(), all_columns::<E>(self.engine()));
        let parameters = (1..=values.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        // A transaction that sent nothing but statements that begin with `SELECT` counts as one that only read.
        let sql = format!(
            r#"WITH "{table}" AS (SELECT (f.stored).*, f.owner_role, f.outcome FROM public.{function}({parameters}) f) SELECT {columns}, owner_role, outcome FROM "{table}""#
        );
        Ok(Statement::from_sql_and_values(self.engine(), sql, values))
    }

    /// Reads the function's answer.
    fn saved<E: Decoded>(&self, owner: &UserId, rows: &[QueryResult]) -> Result<SavedRow<E::Model>> {
        let row = rows.first().ok_or(Error::NotFound { entity: "User" })?;
        let behind = number_of_columns::<E>();
        let role: String = row.try_get_by_index(behind)?;
        self.may_act_for(owner, role.parse()?)?;
        match row.try_get_by_index::<Option<String>>(behind + 1)?.as_deref() {
            Some("saved") => Ok(SavedRow::Saved(E::decoded(row)?)),
            Some("other id") => Ok(SavedRow::HasOtherId(E::decoded(row)?)),
            Some("taken") => Ok(SavedRow::IdIsTaken),
            _ => Err(Error::Internal { what: "the row", reason: "its function refused to save it" }),
        }
    }
}
