//! Writes that return their rows in the order of decoding: at once with the begin, or recorded in their own statement.

use rylie_audit::Event;
use rylie_entities::{Decoded, TenantOwned, audit_log};
use sea_orm::sea_query::{
    Alias, Asterisk, CommonTableExpression, Expr, IntoCondition, OnConflict, Query, ReturningClause, SubQueryStatement,
    UpdateStatement, WithClause,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, IntoActiveModel, Iterable, QueryFilter,
    QueryTrait,
};

use super::columns::all_columns;
use super::recording::row;
use super::rows::decoded;
use super::writes::without_tenant;
use crate::error::Result;
use crate::filter::Tx;

const WRITTEN: &str = "written";

impl Tx {
    /// Like [`Tx::update`], and begins a unit that begins later in the same round trip, as [`Rows::at_once`] does.
    ///
    /// [`Rows::at_once`]: super::Rows::at_once
    pub(crate) async fn update_at_once<E: TenantOwned + Decoded>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
    ) -> Result<Vec<E::Model>> {
        let statement = self.engine().build(&self.update_statement::<E>(set, condition));
        decoded::<E>(&self.connection().await?.query_all_at_once(statement).await?)
    }

    /// Returns an update of the matching rows that this unit reaches. It returns all their columns.
    fn update_statement<E: TenantOwned + Decoded>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
    ) -> UpdateStatement {
        let update = E::update_many().set(without_tenant::<E>(set)).filter(condition);
        let mut update = update.filter(self.kind.condition::<E>()).into_query();
        update.returning(returning_all::<E>(self.engine()));
        update
    }

    /// Like [`Tx::update`], and records `event` once for each updated row. One statement on PostgreSQL.
    pub async fn update_recorded<E: TenantOwned + Decoded>(
        &self,
        set: E::ActiveModel,
        condition: impl IntoCondition,
        event: Event,
    ) -> Result<Vec<E::Model>> {
        if !self.records_at_once(&event).await? {
            let updated = self.update::<E>(set, condition).await?;
            for _ in &updated {
                self.record(event.clone()).await?;
            }
            return Ok(updated);
        }
        self.write_recorded::<E>(self.update_statement::<E>(set, condition).into(), &event).await
    }

    /// Like [`Tx::insert`], and records `event`. One statement on PostgreSQL.
    pub async fn insert_recorded<E: TenantOwned + Decoded>(&self, row: E::ActiveModel, event: Event) -> Result<E::Model>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        if !self.records_at_once(&event).await? {
            let added = self.insert::<E>(row).await?;
            self.record(event).await?;
            return Ok(added);
        }
        let mut insert = E::insert(self.in_tenant::<E>(row)).into_query();
        insert.returning(returning_all::<E>(self.engine()));
        let added = self.write_recorded::<E>(insert.into(), &event).await?.pop();
        Ok(added.ok_or(DbErr::RecordNotInserted)?)
    }

    /// Like [`insert_recorded`](Self::insert_recorded), and returns `None` if the key is taken. Waits for a concurrent
    /// unit that inserts the same key.
    pub async fn insert_recorded_unless_taken<E: TenantOwned + Decoded>(
        &self,
        key: E::Column,
        row: E::ActiveModel,
        event: Event,
    ) -> Result<Option<E::Model>>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let insert = E::insert(self.in_tenant::<E>(row)).on_conflict(OnConflict::column(key).do_nothing().to_owned());
        if self.records_at_once(&event).await? {
            let mut insert = insert.into_query();
            insert.returning(returning_all::<E>(self.engine()));
            return Ok(self.write_recorded::<E>(insert.into(), &event).await?.pop());
        }
        match insert.exec_with_returning(self.connection().await?).await {
            Ok(added) => self.record(event).await.map(|()| Some(added)),
            Err(DbErr::RecordNotInserted | DbErr::RecordNotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn records_at_once(&self, event: &Event) -> Result<bool> {
        Ok(self.engine() == DbBackend::Postgres && self.should_record(event).await?)
    }

    /// Runs a write that returns its rows, and records the event for each.
    async fn write_recorded<E: Decoded>(&self, write: SubQueryStatement, event: &Event) -> Result<Vec<E::Model>> {
        let mut record = row(self, event);
        let (mut columns, mut values) = (Vec::new(), Query::select());
        for column in audit_log::Column::iter() {
            if let Some(value) = record.take(column).into_value() {
                values.expr(column.save_as(Expr::val(value)));
                columns.push(column);
            }
        }
        values.from(Alias::new(WRITTEN));
        let mut record = Query::insert();
        record.into_table(audit_log::Entity).columns(columns);
        record.select_from(values.take()).map_err(|error| DbErr::Custom(error.to_string()))?;
        let named = |name: &'static str, query: SubQueryStatement| {
            CommonTableExpression::new().query(query).table_name(Alias::new(name)).to_owned()
        };
        let with = WithClause::new().cte(named(WRITTEN, write)).cte(named("recorded", record.into())).to_owned();
        let query = Query::select().column(Asterisk).from(Alias::new(WRITTEN)).take().with(with);
        decoded::<E>(&self.connection().await?.query_all(&query).await?)
    }
}

/// Returns all columns of the table, in the order of decoding.
fn returning_all<E: Decoded>(engine: DbBackend) -> ReturningClause {
    Query::returning().expr(Expr::cust(all_columns::<E>(engine).to_string()))
}
