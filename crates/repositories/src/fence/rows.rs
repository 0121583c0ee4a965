//! Reading through the fence.

use rylie_entities::TenantOwned;
use sea_orm::sea_query::{Asterisk, Expr, Func, IntoCondition, Order, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, PaginatorTrait,
    PartialModelTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};

use super::walk::Listed;
use super::writes::Shared;
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
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
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
        let (select, tx) = self.fenced()?;
        Ok(select.one(tx).await?)
    }

    pub(crate) async fn get(self, entity: &'static str) -> Result<E::Model> {
        self.one().await?.ok_or(Error::NotFound { entity })
    }

    pub(crate) async fn all(self) -> Result<Vec<E::Model>> {
        let (select, tx) = self.fenced()?;
        Ok(select.all(tx).await?)
    }

    /// Only the columns of `P`.
    pub(crate) async fn all_as<P: PartialModelTrait>(self) -> Result<Vec<P>> {
        let (select, tx) = self.fenced()?;
        Ok(select.into_partial_model::<P>().all(tx).await?)
    }

    /// How many there are.
    pub(crate) async fn count(self) -> Result<u64> {
        let (select, tx) = self.fenced()?;
        Ok(select.count(tx).await?)
    }

    /// How many there are for each text that a column holds.
    pub(crate) async fn count_by(self, column: E::Column) -> Result<Vec<(String, i64)>> {
        let (select, tx) = self.fenced()?;
        let counted = select.select_only().column(column).column_as(column.count(), "rows").group_by(column);
        Ok(counted.into_tuple().all(tx).await?)
    }

    /// A page and the total of the whole list: two statements, or one where the page is the list's end, which tells.
    pub(crate) async fn page(self, page: PageRequest) -> Result<Page<E::Model>> {
        let (select, tx) = self.fenced()?;
        let items = select.clone().limit(page.limit()).offset(page.offset()).all(tx).await?;
        let read = items.len() as u64;
        let at_the_end = read < page.limit() && (read > 0 || page.offset() == 0);
        let total = match page.counted_to() {
            _ if at_the_end => page.offset() + read,
            Some(most) => count_to(select, most, tx).await?,
            None => select.count(tx).await?,
        };
        Ok(Page { items, total, limit: page.limit(), offset: page.offset() })
    }

    /// What would be sent.
    pub(super) fn statement(self, engine: DbBackend) -> Result<Statement> {
        Ok(self.fenced()?.0.build(engine))
    }

    fn fenced(self) -> Result<(Select<E>, &'tx Transaction)> {
        Ok((self.select.filter(self.fence), self.tx.connection()?))
    }
}

/// How many rows there are, looking at no more than `most`.
async fn count_to<E: EntityTrait>(select: Select<E>, most: u64, tx: &Transaction) -> Result<u64> {
    let mut some = select.select_only().expr(Expr::val(1)).limit(most).into_query();
    some.clear_order_by();
    let mut count = Query::select();
    count.expr(Func::count(Expr::col(Asterisk))).from_subquery(some, "counted");
    let rows = tx.query_one(&count).await?.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
    Ok(rows.unwrap_or_default().cast_unsigned())
}
