//! Adds rows in a user's name, and commits, in one round trip.

use rylie_audit::Event;
use rylie_connection::WritingFunction;
use rylie_entities::{Decoded, Keyed, TenantOwned, User, UserId, audit_log, user};
use sea_orm::{Statement, Value};

use super::columns::all_columns;
use super::recording::row as record_row;
use super::row_json::{list, object};
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::scope::{Reach, TenantScope};

impl Tx {
    /// Adds a row and its child rows as [`insert_for`](Self::insert_for) does, records `event` if there is one, and
    /// commits. Returns the user.
    ///
    /// One round trip in a unit that has not begun: `function` is its own transaction. Any other unit takes the
    /// statements of `insert_for` and `commit`, and so does a JSON document `null`.
    ///
    /// If the connection breaks during that round trip, nobody knows whether the rows were added. Then they are added
    /// again with the same ids, in a transaction. If an id is taken, they were added before. Fails with
    /// [`Error::OutcomeUnknown`] if that does not show it either.
    pub async fn insert_for_and_commit<E: Keyed, C: TenantOwned>(
        self,
        function: &'static str,
        scope: &TenantScope,
        owner: &UserId,
        (row, children): (&E::ActiveModel, &[C::ActiveModel]),
        event: Option<Event>,
    ) -> Result<User> {
        let rows = (row, children, event.as_ref());
        let alone = self.writes_alone(WritingFunction::AddRequest);
        let statement = if alone { self.through::<E, C>(function, scope, owner, rows)? } else { None };
        let Some(statement) = statement else {
            let user = self.insert_for_recorded::<E, C>(scope, owner, (row, children), event).await?;
            self.commit().await?;
            return Ok(user);
        };
        match self.write_alone(E::TABLE, statement).await {
            Ok(rows) => {
                let user = rows.first().ok_or(Error::NotFound { entity: "User" })?;
                let user = user::Entity::decoded(user)?;
                self.may_act_for(&user.id, user.role)?;
                Ok(user)
            }
            Err(Error::OutcomeUnknown(fault)) => {
                let again = Box::pin(self.insert_for_again::<E, C>(scope, owner, (row, children), event)).await;
                again.map_err(|_| Error::OutcomeUnknown(fault))
            }
            Err(error) => Err(error),
        }
    }

    async fn insert_for_recorded<E: TenantOwned, C: TenantOwned>(
        &self,
        scope: &TenantScope,
        owner: &UserId,
        (row, children): (&E::ActiveModel, &[C::ActiveModel]),
        event: Option<Event>,
    ) -> Result<User> {
        let user = self.insert_for::<E, C>(scope, owner, row.clone(), children.to_vec()).await?;
        if let Some(event) = event {
            self.record(event).await?;
        }
        Ok(user)
    }

    /// Adds rows that may have been added before.
    async fn insert_for_again<E: TenantOwned, C: TenantOwned>(
        self,
        scope: &TenantScope,
        owner: &UserId,
        rows: (&E::ActiveModel, &[C::ActiveModel]),
        event: Option<Event>,
    ) -> Result<User> {
        let savepoint = self.savepoint().await?;
        match self.insert_for_recorded::<E, C>(scope, owner, rows, event).await {
            Ok(user) => {
                savepoint.keep().await?;
                self.commit().await?;
                Ok(user)
            }
            // Ids are made here, so only the first attempt can have added one.
            Err(Error::Conflict { field, .. }) if field == "id" => {
                savepoint.undo().await?;
                self.owner(Some(owner)).await
            }
            Err(error) => {
                savepoint.undo().await?;
                Err(error)
            }
        }
    }

    /// Returns the call of the function, or `None` if it cannot take the rows.
    fn through<E: TenantOwned, C: TenantOwned>(
        &self,
        function: &str,
        scope: &TenantScope,
        owner: &UserId,
        (row, children, event): (&E::ActiveModel, &[C::ActiveModel], Option<&Event>),
    ) -> Result<Option<Statement>> {
        let columns = all_columns::<user::Entity>(self.engine());
        let sql = format!(r#"SELECT {columns} FROM public.{function}($1, $2, $3, $4, $5, $6, $7) AS "User""#);
        let Some(children) = list::<C>(children)? else { return Ok(None) };
        let Some(row) = object::<E>(row)? else { return Ok(None) };
        let record = event.map(|event| object::<audit_log::Entity>(&record_row(self, event))).transpose()?;
        if record == Some(None) {
            return Ok(None);
        }
        let values: [Value; 7] = [
            scope.tenant().into(),
            scope.user().id().into(),
            owner.into(),
            (scope.reach() == Reach::Own).into(),
            row.into(),
            children.into(),
            record.flatten().into(),
        ];
        Ok(Some(Statement::from_sql_and_values(self.engine(), sql, values)))
    }
}
