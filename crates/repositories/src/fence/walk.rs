//! Walking through a list by keyset, in the order of time and id.

use rylie_entities::{TenantOwned, Timestamp, audit_log, request, task, user};
use sea_orm::sea_query::{Expr, ExprTrait, Order, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, PartialModelTrait};
use serde::Serialize;

use super::rows::Rows;
use crate::cursor::Position;
use crate::fence::{Fence, Tx};
use crate::scope::Reach;
use crate::{Error, KeysetPage, KeysetRequest, Result};

/// A table that is listed by when its rows were made.
pub(crate) trait Listed: TenantOwned {
    const CREATED_AT: Self::Column;
    const ID: Self::Column;
}

macro_rules! listed {
    ($($table:ident),+) => {
        $(
            impl Listed for $table::Entity {
                const CREATED_AT: Self::Column = $table::Column::CreatedAt;
                const ID: Self::Column = $table::Column::Id;
            }

            impl Placed for $table::Model {
                fn place(&self) -> (Timestamp, &str) {
                    (self.created_at, self.id.as_str())
                }
            }
        )+
    };
}
listed!(audit_log, request, task, user);

/// A row that knows its place in the list.
pub(crate) trait Placed {
    fn place(&self) -> (Timestamp, &str);
}

impl<E> Rows<'_, E>
where
    E: Listed,
    E::Model: FromQueryResult + Placed + Send + Sync,
{
    /// A page of a walk; `filter` is what the rows were filtered by. One statement.
    pub(crate) async fn walk(
        self,
        order: Order,
        filter: &impl Serialize,
        page: &KeysetRequest,
    ) -> Result<KeysetPage<E::Model>> {
        let (tx, list) = (self.tx(), self.tx().list::<E>(&order, filter)?);
        let rows = self.after(order, page, &list)?.limit(page.limit() + 1).all().await?;
        tx.keyset_page(rows, page, &list)
    }

    /// As [`Rows::walk`], with only the columns of `P`.
    pub(crate) async fn walk_as<P: PartialModelTrait + Placed>(
        self,
        order: Order,
        filter: &impl Serialize,
        page: &KeysetRequest,
    ) -> Result<KeysetPage<P>> {
        let (tx, list) = (self.tx(), self.tx().list::<E>(&order, filter)?);
        let rows = self.after(order, page, &list)?.limit(page.limit() + 1).all_as::<P>().await?;
        tx.keyset_page(rows, page, &list)
    }

    /// Both columns in one comparison of rows, which an index in the list's order serves, also under row-level security:
    /// the order of text and of time are leak-proof.
    fn after(self, order: Order, page: &KeysetRequest, list: &[u8]) -> Result<Self> {
        let Some(cursor) = page.cursor() else { return Ok(self.order(order, E::CREATED_AT, E::ID)) };
        let Position { created_at, id } = self.tx().position(cursor, list)?;
        let row: [SimpleExpr; 2] = [E::CREATED_AT.into_expr(), E::ID.into_expr()];
        let place: [SimpleExpr; 2] = [Expr::val(created_at), Expr::val(id)];
        let (row, place) = (Expr::tuple(row), Expr::tuple(place));
        let beyond = if matches!(order, Order::Desc) { row.lt(place) } else { row.gt(place) };
        Ok(self.filter(beyond).order(order, E::CREATED_AT, E::ID))
    }
}

impl Tx {
    /// What a cursor is bound to: the door, whose rows, which of them, the table, its order and the filter.
    fn list<E: EntityTrait>(&self, order: &Order, filter: &impl Serialize) -> Result<Vec<u8>> {
        let door = match self.fence() {
            Fence::Platform | Fence::Books => vec!["platform"],
            Fence::Identity => vec!["identity"],
            Fence::Tenant(scope) => match scope.reach() {
                Reach::Tenant => vec!["tenant", scope.tenant().as_str()],
                Reach::Own => vec!["own", scope.tenant().as_str(), scope.user().id().as_str()],
            },
        };
        let order = if matches!(order, Order::Desc) { "newest first" } else { "oldest first" };
        let table = E::default();
        let unreadable = |_| Error::Invalid { what: "the filter", reason: "it cannot be written as JSON" };
        serde_json::to_vec(&(door, table.table_name(), order, filter)).map_err(unreadable)
    }

    /// One row more than the page has was asked for: there is a next page if it is there.
    fn keyset_page<T: Placed>(&self, mut rows: Vec<T>, page: &KeysetRequest, walked: &[u8]) -> Result<KeysetPage<T>> {
        let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| {
            let (created_at, id) = last.place();
            self.cursor(&Position { created_at, id: id.to_owned() }, walked)
        });
        Ok(KeysetPage { items: rows, next: next.transpose()? })
    }
}
