//! Reads through the tenant filter.

use std::marker::PhantomData;

use rylie_connection::Transaction;
use rylie_entities::{Decoded, KeysetTable, TenantOwned};
use sea_orm::sea_query::{
    Asterisk, ColumnType, Expr, ExprTrait, Func, IntoCondition, LockType, NullOrdering, Order, Query, SelectStatement,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, PartialModelTrait, QueryResult, QuerySelect,
    Statement, Value,
};

use super::columns::{number_of_columns, select_all};
use super::writes::Shared;
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::page::{Page, PageRequest};

/// A select on one table. Its columns and the tenant condition are added when it is sent.
#[must_use = "a select reads nothing until a method such as `all` is awaited"]
pub struct Rows<'tx, E> {
    tx: &'tx Tx,
    select: Select,
    tenant_filter: Condition,
    /// The statement that reads the number of rows of the list, if the database keeps it.
    kept_total: Option<SelectStatement>,
    at_once: bool,
    of: PhantomData<E>,
}

struct Select(SelectStatement);

impl QuerySelect for Select {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        &mut self.0
    }
}

impl Tx {
    /// Selects the rows of a tenant's table that this unit reaches.
    pub fn rows<E: TenantOwned>(&self) -> Rows<'_, E> {
        self.rows_of_table(self.kind.condition::<E>())
    }

    /// Selects the rows of a table that belongs to no tenant.
    pub fn shared_rows<E: Shared>(&self) -> Rows<'_, E> {
        self.rows_of_table(Condition::all())
    }

    fn rows_of_table<E: EntityTrait>(&self, tenant_filter: Condition) -> Rows<'_, E> {
        let select = Select(Query::select().from(E::default().table_ref()).take());
        Rows { tx: self, select, tenant_filter, kept_total: None, at_once: false, of: PhantomData }
    }
}

impl<'tx, E> Rows<'tx, E>
where
    E: Decoded,
    E::Model: Send + Sync,
{
    pub(super) fn tx(&self) -> &'tx Tx {
        self.tx
    }

    /// Adds a condition.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.select.0.cond_where(condition);
        self
    }

    /// Sorts by one column and breaks ties by another, in the same direction.
    pub fn order(self, order: Order, by: E::Column, tie: E::Column) -> Self {
        self.ordered([(by, order.clone()), (tie, order)])
    }

    /// Sorts in the order of the table's keyset walk.
    pub fn listed(self, order: Order) -> Self
    where
        E: KeysetTable,
    {
        self.ordered(E::in_order(order))
    }

    pub(crate) fn ordered(mut self, by: impl IntoIterator<Item = (E::Column, Order)>) -> Self {
        for (column, order) in by {
            if column.def().is_null() {
                // As PostgreSQL sorts, so that its indexes serve the order. SQLite sorts null first.
                let nulls = if order == Order::Desc { NullOrdering::First } else { NullOrdering::Last };
                self.select.0.order_by_expr_with_nulls(column.into_expr(), order, nulls);
            } else {
                self.select.0.order_by_expr(column.into_expr(), order);
            }
        }
        self
    }

    /// Locks the rows until the unit ends, so that no other unit changes them. Waits for a unit that has locked one. On
    /// SQLite a unit that may write is the only one, and locks nothing.
    pub(crate) fn locked(mut self) -> Self {
        if self.tx.engine() == DbBackend::Postgres {
            self.select.0.lock(LockType::Update);
        }
        self
    }

    /// As the first statement of a unit that [begins later](rylie_connection::UnitOptions::deferred()), begins it in
    /// the same round trip. Conditions may then stand in the statement's text with their values, which the server shows
    /// to its administrators. So this is for ids and labels, not for secrets or texts of users.
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }

    /// Reads the total of a page by this statement, instead of counting the rows.
    pub(super) fn total_from(mut self, kept: SelectStatement) -> Self {
        self.kept_total = Some(kept);
        self
    }

    /// Limits the number of rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.select.0.limit(rows);
        self
    }

    /// Returns the first row, if any.
    pub async fn one(self) -> Result<Option<E::Model>> {
        Ok(self.limit(1).all().await?.into_iter().next())
    }

    /// Returns the first row, or fails with [`Error::NotFound`].
    pub async fn get(self, entity: &'static str) -> Result<E::Model> {
        self.one().await?.ok_or(Error::NotFound { entity })
    }

    /// Returns all rows.
    pub async fn all(self) -> Result<Vec<E::Model>> {
        let (tx, engine, at_once) = (self.tx, self.tx.engine(), self.at_once);
        let statement = engine.build(select_all::<E>(engine, &mut self.filtered()));
        decoded::<E>(&tx.sent::<E>(statement, at_once).await?)
    }

    /// Returns all rows with only the columns of `P`.
    pub async fn all_as<P: PartialModelTrait>(self) -> Result<Vec<P>> {
        let tx = self.tx.connection().await?;
        let rows = tx.query_all(&P::select_cols(Select(self.filtered())).0).await?;
        rows.iter().map(|row| Ok(P::from_query_result(row, "")?)).collect()
    }

    /// Returns the number of rows.
    pub async fn count(self) -> Result<u64> {
        let tx = self.tx.connection().await?;
        counted(tx, &count(self.filtered(), None)).await
    }

    /// Returns the number of rows for each text in a column, or for each whole number, as text.
    pub async fn count_by(self, column: E::Column) -> Result<Vec<(String, i64)>> {
        let (tx, mut select) = (self.tx.connection().await?, self.filtered());
        let is_number = matches!(column.def().get_column_type(), ColumnType::Integer | ColumnType::BigInteger);
        let column = column.into_expr();
        let text = if is_number { column.clone().cast_as("text") } else { column.clone() };
        select.expr(text).expr(Func::count(column.clone())).add_group_by([column]);
        let rows = tx.query_all(&select).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Returns a page and the total of the whole list: one statement, or two if the list ends before the page.
    pub async fn page(mut self, page: PageRequest) -> Result<Page<E::Model>> {
        let (tx, engine, at_once, kept) = (self.tx, self.tx.engine(), self.at_once, self.kept_total.take());
        let mut select = self.filtered();
        let total = match kept {
            Some(total) => up_to(total, page.counted_to(), engine),
            None => count(select.clone(), page.counted_to()),
        };
        select.limit(page.limit()).offset(page.offset());
        select_all::<E>(engine, &mut select).expr(Expr::SubQuery(None, Box::new(total.clone().into())));
        let rows = tx.sent::<E>(engine.build(&select), at_once).await?;
        let read = rows.len() as u64;
        let total = match rows.first() {
            // A short page is the end of the list, regardless of the count.
            Some(_) if read < page.limit() => page.offset() + read,
            Some(row) => number(row.try_get_by_index(number_of_columns::<E>())?),
            None if page.offset() == 0 => 0,
            None => counted(tx.connection().await?, &total).await?,
        };
        Ok(Page { items: decoded::<E>(&rows)?, total, limit: page.limit(), offset: page.offset() })
    }

    /// Returns the first row and the text that a subquery returns, or fails with [`Error::NotFound`] without a row. One
    /// statement, sent [at once](Self::at_once).
    pub(super) async fn with(self, other: SelectStatement) -> Result<(E::Model, Option<String>)> {
        let (tx, engine) = (self.tx, self.tx.engine());
        let mut select = self.limit(1).filtered();
        select_all::<E>(engine, &mut select).expr(Expr::SubQuery(None, Box::new(other.into())));
        let rows = tx.sent::<E>(engine.build(&select), true).await?;
        let row = rows.first().ok_or(Error::NotFound { entity: "User" })?;
        Ok((E::decoded(row)?, row.try_get_by_index(number_of_columns::<E>())?))
    }

    /// Reads through a database function that takes these values and returns rows of the table.
    pub(super) fn through(mut self, function: &'static str, values: [Value; 2]) -> Self {
        let call = Func::cust(function).args(values.map(Expr::val));
        self.select.0.from_clear().from_function(call, E::default().table_name());
        self
    }

    /// Returns the statement.
    pub(super) fn statement(self, engine: DbBackend) -> Statement {
        engine.build(select_all::<E>(engine, &mut self.filtered()))
    }

    fn filtered(self) -> SelectStatement {
        let mut select = self.select.0;
        select.cond_where(self.tenant_filter).take()
    }
}

impl Tx {
    async fn sent<E: EntityTrait>(&self, statement: Statement, at_once: bool) -> Result<Vec<QueryResult>> {
        if at_once {
            return self.read_at_once(E::default().table_name(), statement).await;
        }
        Ok(self.connection().await?.query_all_raw(statement).await?)
    }
}

pub(super) fn decoded<E: Decoded>(rows: &[QueryResult]) -> Result<Vec<E::Model>> {
    rows.iter().map(|row| Ok(E::decoded(row)?)).collect()
}

/// Limits a total to `most`.
fn up_to(total: SelectStatement, most: Option<u64>, engine: DbBackend) -> SelectStatement {
    let Some(most) = most else { return total };
    let total = Expr::SubQuery(None, Box::new(total.into()));
    let least = Func::cust(if engine == DbBackend::Postgres { "LEAST" } else { "min" });
    Query::select().expr(least.args([total, Expr::val(most)])).take()
}

/// Returns a statement that counts the rows, up to `most`.
fn count(mut rows: SelectStatement, most: Option<u64>) -> SelectStatement {
    rows.clear_order_by();
    let number = Func::count(Expr::col(Asterisk));
    match most {
        None => rows.expr(number).take(),
        Some(most) => {
            let some = rows.expr(Expr::val(1)).limit(most).take();
            Query::select().expr(number).from_subquery(some, "counted").take()
        }
    }
}

async fn counted(tx: &Transaction, count: &SelectStatement) -> Result<u64> {
    let row = tx.query_one(count).await?;
    Ok(number(row.map_or(Ok(0), |row| row.try_get_by_index(0))?))
}

/// A kept total that is false may be negative.
fn number(rows: i64) -> u64 {
    rows.try_into().unwrap_or_default()
}
