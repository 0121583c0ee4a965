//! Walking through a list by keyset.

use rylie_entities::{TenantOwned, agency, audit_log, request, seoworks_task_mapping, task, user};
use sea_orm::sea_query::{Expr, ExprTrait, Order, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, PartialModelTrait};
use serde::Serialize;

use super::decoded::Decoded;
use super::rows::Rows;
use crate::cursor::Position;
use crate::fence::{Fence, Tx};
use crate::scope::Reach;
use crate::{Error, KeysetPage, KeysetRequest, Result};

/// A table with a list that can be walked.
pub(crate) trait Listed: TenantOwned + Decoded {
    /// What it is ordered by; the last breaks ties.
    fn in_order(order: Order) -> Vec<(Self::Column, Order)>;

    /// What comes after a place, in one comparison that an index in the list's order serves, also under row-level security:
    /// the order of text, time and numbers is leak-proof.
    fn after(place: Position, order: &Order) -> Result<SimpleExpr>;
}

/// Tables that are listed by when their rows were made.
macro_rules! listed_by_time {
    ($($table:ident),+) => {
        $(
            impl Listed for $table::Entity {
                fn in_order(order: Order) -> Vec<(Self::Column, Order)> {
                    vec![($table::Column::CreatedAt, order.clone()), ($table::Column::Id, order)]
                }

                fn after(place: Position, order: &Order) -> Result<SimpleExpr> {
                    let row: [SimpleExpr; 2] = [$table::Column::CreatedAt.into_expr(), $table::Column::Id.into_expr()];
                    let place: [SimpleExpr; 2] = [Expr::val(place.time()?), Expr::val(place.id)];
                    let (row, place) = (Expr::tuple(row), Expr::tuple(place));
                    Ok(if matches!(order, Order::Desc) { row.lt(place) } else { row.gt(place) })
                }
            }

            impl Placed for $table::Model {
                fn place(&self) -> Position {
                    Position::at(self.created_at, self.id.as_str())
                }
            }
        )+
    };
}
listed_by_time!(agency, audit_log, request, seoworks_task_mapping, task, user);

/// A row that knows its place in the list.
pub(crate) trait Placed {
    fn place(&self) -> Position;
}

impl<E> Rows<'_, E>
where
    E: Listed,
    E::Model: Placed + Send + Sync,
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

    fn after(self, order: Order, page: &KeysetRequest, list: &[u8]) -> Result<Self> {
        let Some(cursor) = page.cursor() else { return Ok(self.listed(order)) };
        let beyond = E::after(self.tx().position(cursor, list)?, &order)?;
        Ok(self.filter(beyond).listed(order))
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
        let next = rows.last().filter(|_| more).map(|last| self.cursor(&last.place(), walked)).transpose()?;
        // More than a page of times before the first that a cursor can name would be walked for ever.
        let next = next.filter(|next| page.cursor() != Some(next));
        Ok(KeysetPage { items: rows, next })
    }
}
