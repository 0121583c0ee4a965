//! Totals that the database keeps.

use rylie_entities::{RequestStatus, request};
use sea_orm::ActiveEnum;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};

use super::UnitKind;
use super::rows::Rows;
use crate::scope::Reach;

impl Rows<'_, request::Entity> {
    /// Reads the total of a page from the numbers that the database keeps, of this status or of any, if the unit reaches
    /// its whole tenant. The list must have no other condition than that status, and exclude soft-deleted requests.
    pub fn with_kept_total(self, status: Option<RequestStatus>) -> Self {
        let tx = self.tx();
        let UnitKind::Tenant(scope) = &tx.kind else { return self };
        if scope.reach() != Reach::Tenant || !tx.unit_context.pool.keeps_request_counts() {
            return self;
        }
        let sum = Func::coalesce([Func::sum(Expr::col("requests")).into(), Expr::cust("0")]);
        let mut kept = Query::select();
        kept.expr(Func::cast_as(sum, "bigint"));
        kept.from(Alias::new("RequestCount")).and_where(Expr::col("tenantId").eq(scope.tenant().as_str()));
        if let Some(status) = status {
            // A label that is written out needs no cast.
            kept.and_where(Expr::col("status").eq(Expr::cust(format!("'{}'", status.to_value()))));
        }
        self.total_from(kept)
    }
}
