//! A scope can be narrowed but not widened.
use rylie_db::prelude::*;
use rylie_db::repositories::Reach;

fn widen(mut scope: TenantScope) -> TenantScope {
    scope.reach = Reach::Tenant;
    scope
}

fn main() {}
