//! Keyset walks through lists.

use rylie_entities::{KeysetKey, KeysetRow, KeysetTable};
use sea_orm::sea_query::Order;
use sea_orm::{EntityTrait, PartialModelTrait};
use serde::Serialize;

use super::rows::Rows;
use crate::cursor::{Cursor, REFUSED};
use crate::error::{Error, Result};
use crate::filter::{Tx, UnitKind};
use crate::keyset::{KeysetPage, KeysetRequest};
use crate::scope::Reach;

impl<E> Rows<'_, E>
where
    E: KeysetTable,
    E::Model: KeysetRow + Send + Sync,
{
    /// Returns a page of a walk. `filter` is the filter of the rows, to which the cursor is bound. One statement. Fails
    /// with [`Error::Invalid`] for a cursor of another list, and for a filter that cannot be serialized.
    pub async fn walk(
        self,
        order: Order,
        filter: &impl Serialize,
        page: &KeysetRequest,
    ) -> Result<KeysetPage<E::Model>> {
        let (tx, list) = (self.tx(), self.tx().list::<E>(&order, filter)?);
        let rows = self.after(order, page, &list)?.limit(page.limit() + 1).all().await?;
        tx.keyset_page(rows, page, &list)
    }

    /// Like [`Rows::walk`], with only the columns of `P`.
    pub async fn walk_as<P: PartialModelTrait + KeysetRow>(
        self,
        order: Order,
        filter: &impl Serialize,
        page: &KeysetRequest,
    ) -> Result<KeysetPage<P>> {
        let (tx, list) = (self.tx(), self.tx().list::<E>(&order, filter)?);
        let rows = self.after(order, page, &list)?.limit(page.limit() + 1).all_as::<P>().await?;
        tx.keyset_page(rows, page, &list)
    }

    fn after(self, order: Order, page: &KeysetRequest, list: &[u8]) -> Result<Self> {
        let Some(cursor) = page.cursor() else { return Ok(self.listed(order)) };
        let (engine, place) = (self.tx().engine(), self.tx().position(cursor, list)?);
        let beyond = E::after_on(engine, place, &order).ok_or(REFUSED)?;
        Ok(self.filter(beyond).listed(order))
    }
}

impl Tx {
    fn cursor(&self, position: &KeysetKey, list: &[u8]) -> Result<Cursor> {
        let keys = self.unit_context().cursors.get()?;
        Ok(Cursor::seal(position, keys.first().ok_or(Error::NoKeyring)?, list))
    }

    fn position(&self, cursor: &Cursor, list: &[u8]) -> Result<KeysetKey> {
        cursor.open(self.unit_context().cursors.get()?, list)
    }

    /// Returns the list to which a cursor is bound: the kind of unit, tenant, reach, table, order and filter.
    fn list<E: EntityTrait>(&self, order: &Order, filter: &impl Serialize) -> Result<Vec<u8>> {
        let db_role = match self.kind() {
            UnitKind::Platform | UnitKind::Operations => vec!["platform"],
            UnitKind::Identity => vec!["identity"],
            UnitKind::Tenant(scope) => match scope.reach() {
                Reach::Tenant => vec!["tenant", scope.tenant().as_str()],
                Reach::Own => vec!["own", scope.tenant().as_str(), scope.user().id().as_str()],
            },
        };
        let order = if matches!(order, Order::Desc) { "newest first" } else { "oldest first" };
        let table = E::default();
        let unreadable = |_| Error::Invalid { what: "the filter", reason: "it cannot be serialized as JSON" };
        serde_json::to_vec(&(db_role, table.table_name(), order, filter)).map_err(unreadable)
    }

    /// The query asked for one row more than the page holds: if it exists, there is a next page.
    fn keyset_page<T: KeysetRow>(
        &self,
        mut rows: Vec<T>,
        page: &KeysetRequest,
        walked: &[u8],
    ) -> Result<KeysetPage<T>> {
        let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| self.cursor(&last.place(), walked)).transpose()?;
        // Without this check, more than a page of times before the first that a cursor can represent would loop
        // forever.
        let next = next.filter(|next| page.cursor() != Some(next));
        Ok(KeysetPage { items: rows, next })
    }
}
