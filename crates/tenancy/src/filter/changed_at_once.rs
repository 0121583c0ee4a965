//! Changes the state of a row, records it and commits, in one round trip.

use rylie_audit::Event;
use rylie_entities::Keyed;
use sea_orm::{QueryResult, Statement, Value};

use super::columns::all_columns;
use super::recording::row as record_row;
use super::rows::decoded;
use super::written_once::{Once, record_json};
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::scope::{Reach, TenantScope};
use crate::soft_deleted::one;

impl Tx {
    /// Calls a function that sets the state of the row with this id, records `event` if the row did not have it, and
    /// returns the row as stored. One round trip: the unit must not have begun, and `function` is its own transaction.
    ///
    /// A lost connection leaves the change done once: the call is sent again in the unit, with the same record, and the
    /// caller commits. Fails with [`Error::OutcomeUnknown`] if the outcome of the first attempt stays unknown, or if the
    /// changed row cannot be read after it. Fails with [`Error::NotFound`] if there is no such row within reach.
    pub async fn set_state_of<E: Keyed>(
        &self,
        function: &'static str,
        scope: &TenantScope,
        (id, state): (&str, &str),
        event: &Event,
    ) -> Result<E::Model> {
        let record = record_row(self, event);
        let values: [Value; 7] = [
            scope.tenant().into(),
            scope.user().id().into(),
            (scope.reach() == Reach::Own).into(),
            id.into(),
            state.into(),
            self.now().into(),
            record_json(&record)?.into(),
        ];
        let (table, columns) = (E::TABLE, all_columns::<E>(self.engine()));
        // A transaction that sent nothing but statements that begin with `SELECT` counts as one that only read.
        let sql = format!(
            r#"WITH "{table}" AS (SELECT * FROM public.{function}($1, $2, $3, $4, $5, $6, $7)) SELECT {columns} FROM "{table}""#
        );
        let statement = Statement::from_sql_and_values(self.engine(), sql, values);
        let read = |rows: &[QueryResult]| decoded::<E>(rows)?.pop().ok_or(Error::NotFound { entity: E::TABLE });
        match self.write_once::<E, _>(statement, record, read).await? {
            Once::Done(row) => Ok(row),
            Once::DoneBefore(fault) => {
                let row = self.rows::<E>().filter(one::<E>(&id, false)).get(E::TABLE).await;
                row.map_err(|_| Error::OutcomeUnknown(fault))
            }
        }
    }
}
