//! Reads of own tables.

use std::collections::BTreeMap;

use rylie_entities::RepositoryTable;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Value};

use super::Table;
use super::fill::refused;
use crate::error::{Error, Result};
use crate::keyset::{KeysetPage, KeysetRequest};
use crate::page::{Page, PageRequest};
use crate::stream::{RowStream, stream_of};

impl<'tx, E: RepositoryTable> Table<'tx, E> {
    /// Returns the row with this id, or `None` if there is no such row within reach. One statement.
    pub async fn find(self, id: &E::Id) -> Result<Option<E::Model>> {
        if self.is_plain() {
            return self.tx.present::<E>(id).await;
        }
        self.row(id)?.one().await
    }

    /// As [`find`](Self::find), but fails with [`Error::NotFound`].
    pub async fn get(self, id: &E::Id) -> Result<E::Model> {
        self.find(id).await?.ok_or(Error::NotFound { entity: E::TABLE })
    }

    /// As [`get`](Self::get), and locks the row until the unit ends. For a change that depends on the present state:
    /// another unit's change comes before the read or after this unit. On PostgreSQL a read-only unit cannot lock, and
    /// the call fails with [`Error::Invalid`].
    pub async fn get_for_update(self, id: &E::Id) -> Result<E::Model> {
        self.row(id)?.locked().get(E::TABLE).await
    }

    /// Returns those of the rows that exist within reach, in no particular order. One statement for any number.
    pub async fn find_many(self, ids: &[E::Id]) -> Result<Vec<E::Model>> {
        if self.is_plain() {
            return self.tx.present_among::<E>(ids).await;
        }
        let among = self.tx.one_of(E::ID, ids.iter().map(ToString::to_string));
        self.rows()?.filter(among).all().await
    }

    /// Returns the first row in the list's order, if any. One statement.
    pub async fn first(self) -> Result<Option<E::Model>> {
        self.in_order()?.one().await
    }

    /// Returns one page with the total. One statement, or two if the list ends before the page.
    pub async fn list(self, page: PageRequest) -> Result<Page<E::Model>> {
        // Values of a caller's condition may be texts, which are sent apart.
        let plain = self.is_plain();
        let rows = self.in_order()?;
        if plain { rows.at_once() } else { rows }.page(page).await
    }

    /// Returns one page of a keyset walk: one statement at any depth, and no total. The order is always the table's.
    /// Fails with [`Error::Invalid`] after [`order_by`](Self::order_by), and for a cursor of another list.
    pub async fn walk(self, page: &KeysetRequest) -> Result<KeysetPage<E::Model>> {
        if !self.order.is_empty() {
            return Err(Error::Invalid { what: "the order", reason: "a walk follows the table's own order" });
        }
        let (filter, plain) = (self.filter_text()?, self.is_plain());
        let rows = self.rows()?;
        if plain { rows.at_once() } else { rows }.walk(self.direction(), &filter, page).await
    }

    /// Returns all rows as a stream, in the table's order. It holds one page in memory. It ends after an error, which
    /// is one of [`walk`](Self::walk).
    #[must_use = "a stream reads nothing until it is polled"]
    pub fn stream(self) -> RowStream<'tx, E::Model> {
        stream_of(move |page| {
            let table = self.clone();
            async move { table.walk(&page).await }
        })
    }

    /// Returns the number of rows. One statement.
    pub async fn count(self) -> Result<u64> {
        self.rows()?.count().await
    }

    /// Returns the number of rows for each value of a column, for a report. The column has texts or whole numbers; rows
    /// with null are not counted. One statement. Fails with [`Error::InvalidColumn`] for a column of another type.
    pub async fn count_by(self, column: E::Column) -> Result<BTreeMap<String, u64>> {
        use sea_orm::sea_query::ColumnType as Type;
        let kind = column.def().get_column_type().clone();
        if !matches!(kind, Type::Text | Type::String(_) | Type::Enum { .. } | Type::Integer | Type::BigInteger) {
            return Err(refused::<E>(column, "rows are counted by a text or a whole number"));
        }
        let counts = self.rows()?.filter(column.is_not_null()).count_by(column).await?;
        Ok(counts.into_iter().map(|(text, rows)| (text, rows.cast_unsigned())).collect())
    }

    fn in_order(&self) -> Result<crate::filter::Rows<'tx, E>> {
        let rows = self.rows()?;
        if self.order.is_empty() {
            return Ok(rows.listed(self.direction()));
        }
        // The key breaks ties, so that no row is on two pages.
        let direction = self.direction();
        Ok(rows.ordered(self.order.iter().cloned().chain([(E::ID, direction)])))
    }

    /// Returns the condition as text and values, to which a cursor is bound.
    fn filter_text(&self) -> Result<(String, Vec<String>)> {
        let select = Query::select().cond_where(self.wanted()?).take();
        let statement = self.tx.engine().build(&select);
        let values = statement.values.map(|values| values.0).unwrap_or_default();
        Ok((statement.sql, values.iter().map(shown).collect()))
    }
}

fn shown(value: &Value) -> String {
    format!("{value:?}")
}
