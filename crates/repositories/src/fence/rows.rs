//! Reading through the fence.

use rylie_entities::TenantOwned;
use sea_orm::sea_query::{Asterisk, Expr, Func, IntoCondition, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, PartialModelTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait, Select, Statement, Value,
};

use super::decoded::Decoded;
use super::walk::Listed;
use super::writes::{Shared, columns};
use crate::fence::{Transaction, Tx};
use crate::{Error, Page, PageRequest, Result};

/// A select on one table, to which the fence's condition is added when it is sent.
pub(crate) struct Rows<'tx, E: EntityTrait> {
    tx: &'tx Tx,
    select: Select<E>,
    fence: Condition,
}

impl Tx {
    /// The rows of a tenant's table that this unit reaches.
    pub(crate) fn rows<E: TenantOwned>(&self) -> Rows<'_, E> {
        Rows { tx: self, select: E::find(), fence: self.fence.condition::<E>() }
    }

    /// The rows of a table that belongs to no tenant.
    pub(crate) fn shared_rows<E: Shared>(&self) -> Rows<'_, E> {
        Rows { tx: self, select: E::find(), fence: Condition::all() }
    }
}

impl<'tx, E> Rows<'tx, E>
where
    E: Decoded,
    E::Model: Send + Sync,
{
    pub(crate) fn tx(&self) -> &'tx Tx {
        self.tx
    }

    pub(crate) fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.select = self.select.filter(condition);
        self
    }

    /// Orders by one column and breaks ties by another, in the same direction.
    pub(crate) fn order(mut self, order: Order, by: E::Column, tie: E::Column) -> Self {
        self.select = self.select.order_by(by, order.clone()).order_by(tie, order);
        self
    }

    /// In the order of the table's list, which a walk has as well.
    pub(crate) fn listed(self, order: Order) -> Self
    where
        E: Listed,
    {
        Self { select: E::in_order(self.select, order), ..self }
    }

    pub(crate) fn limit(mut self, rows: u64) -> Self {
        self.select = self.select.limit(rows);
        self
    }

    pub(crate) async fn one(self) -> Result<Option<E::Model>> {
        let (select, tx) = self.limit(1).fenced().await?;
        let row = tx.query_one(&select.into_query()).await?;
        Ok(row.map(|row| E::decoded(&row)).transpose()?)
    }

    pub(crate) async fn get(self, entity: &'static str) -> Result<E::Model> {
        self.one().await?.ok_or(Error::NotFound { entity })
    }

    pub(crate) async fn all(self) -> Result<Vec<E::Model>> {
        let (select, tx) = self.fenced().await?;
        decoded::<E>(&tx.query_all(&select.into_query()).await?)
    }

    /// Only the columns of `P`.
    pub(crate) async fn all_as<P: PartialModelTrait>(self) -> Result<Vec<P>> {
        let (select, tx) = self.fenced().await?;
        Ok(select.into_partial_model::<P>().all(tx).await?)
    }

    /// How many there are.
    pub(crate) async fn count(self) -> Result<u64> {
        let (select, tx) = self.fenced().await?;
        Ok(select.count(tx).await?)
    }

    /// How many there are for each text that a column holds.
    pub(crate) async fn count_by(self, column: E::Column) -> Result<Vec<(String, i64)>> {
        let (select, tx) = self.fenced().await?;
        let counted = select.select_only().column(column).column_as(column.count(), "rows").group_by(column);
        Ok(counted.into_tuple().all(tx).await?)
    }

    /// A page and the total of the whole list: one statement, or two where the list ends before the page.
    pub(crate) async fn page(self, page: PageRequest) -> Result<Page<E::Model>> {
        let (select, tx) = self.fenced().await?;
        let counted = count(select.clone(), page.counted_to());
        let mut read = select.limit(page.limit()).offset(page.offset()).into_query();
        read.expr(Expr::SubQuery(None, Box::new(counted.clone().into())));
        let rows = tx.query_all(&read).await?;
        let read = rows.len() as u64;
        let total = match rows.first() {
            // It is the list's end, whatever was counted.
            Some(_) if read < page.limit() => page.offset() + read,
            Some(row) => row.try_get_by_index::<i64>(columns::<E>())?.cast_unsigned(),
            None if page.offset() == 0 => 0,
            None => {
                let row = tx.query_one(&counted).await?;
                row.map_or(Ok(0), |row| row.try_get_by_index::<i64>(0))?.cast_unsigned()
            }
        };
        Ok(Page { items: decoded::<E>(&rows)?, total, limit: page.limit(), offset: page.offset() })
    }

    /// Reads through a function of the database that takes these values and returns rows of the table.
    pub(super) fn through(mut self, function: &'static str, values: [Value; 2]) -> Self {
        let call = Func::cust(function).args(values.map(Expr::val));
        QuerySelect::query(&mut self.select).from_clear().from_function(call, E::default().table_name());
        self
    }

    /// What would be sent.
    pub(super) fn statement(self, engine: DbBackend) -> Statement {
        self.select.filter(self.fence).build(engine)
    }

    async fn fenced(self) -> Result<(Select<E>, &'tx Transaction)> {
        Ok((self.select.filter(self.fence), self.tx.connection().await?))
    }
}

pub(super) fn decoded<E: Decoded>(rows: &[QueryResult]) -> Result<Vec<E::Model>> {
    rows.iter().map(|row| Ok(E::decoded(row)?)).collect()
}

/// How many rows there are, looking at no more than `most`.
fn count<E: EntityTrait>(select: Select<E>, most: Option<u64>) -> SelectStatement {
    let mut rows = select.select_only().into_query();
    rows.clear_order_by();
    let number = Func::count(Expr::col(Asterisk));
    match most {
        None => rows.expr(number).to_owned(),
        Some(most) => {
            let some = rows.expr(Expr::val(1)).limit(most).to_owned();
            Query::select().expr(number).from_subquery(some, "counted").to_owned()
        }
    }
}
