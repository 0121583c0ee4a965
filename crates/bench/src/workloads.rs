//! The workloads by name. The names up to `save_read_connection_c1` are those of the peers.

mod bulk;
mod connections;
mod creates;
mod events;
mod floor;
mod lists;
mod reads;

use rylie_db::prelude::{PageRequest, UnitOptions};

use crate::{Result, settings};

pub(crate) const NAMES: &[&str] = &[
    "get_by_id_c1",
    "get_by_id_c16",
    "get_by_id_c16_batched",
    "list_page_c1",
    "list_page_c16",
    "list_page_big_c1",
    "list_page_big_c1_counted",
    "list_page_deep_c1",
    "list_page_c1_keyset",
    "list_page_big_c1_keyset",
    "list_page_deep_c1_keyset",
    "create_request_with_tasks_c1",
    "create_request_with_tasks_c8",
    "scoped_read_rls_c1",
    "scoped_read_rls_c16",
    "scoped_read_rls_unit_c1",
    "scoped_read_rls_unit_c16",
    "scoped_list_rls_c1",
    "scoped_list_status_rls_c1",
    "bulk_update_status",
    "bulk_insert_tasks",
    "reset_monthly_usage",
    "cleanup_sessions",
    "save_read_connection_c1",
    "save_connection_returning_c1",
    "authenticated_page_c1",
    "authenticated_page_c16",
    "remove_usage_events",
    "count_use_c1",
    "audit_append_c1",
    "audit_page_c1",
    "raw_scoped_read_d_drop_c1",
    "raw_scoped_read_d_drop_c16",
    "raw_scoped_read_gate_c1",
    "raw_scoped_read_gate_c16",
];

pub(crate) async fn run(name: &str) -> Result<()> {
    let callers = if name.contains("_c16") {
        16
    } else if name.contains("_c8") {
        8
    } else {
        1
    };
    match name {
        "get_by_id_c1" | "get_by_id_c16" => reads::by_id(name, callers).await,
        "get_by_id_c16_batched" => reads::gathered(name, callers).await,
        "scoped_read_rls_c1" | "scoped_read_rls_c16" => {
            reads::of_one_tenant(name, callers, UnitOptions::autocommit()).await
        }
        "scoped_read_rls_unit_c1" | "scoped_read_rls_unit_c16" => {
            reads::of_one_tenant(name, callers, UnitOptions::read_only()).await
        }
        "list_page_c1" | "list_page_c16" => lists::of_small_tenants(name, callers).await,
        "authenticated_page_c1" | "authenticated_page_c16" => lists::of_a_token(name, callers).await,
        "list_page_big_c1" => lists::of_the_large_tenant(name, PageRequest::new(50, 0)).await,
        "list_page_big_c1_counted" => {
            lists::of_the_large_tenant(name, PageRequest::new(50, 0).counting_to(1_000)).await
        }
        "list_page_deep_c1" => lists::of_the_large_tenant(name, PageRequest::new(50, settings::depth())).await,
        "list_page_c1_keyset" => lists::keyset_of_small_tenants(name).await,
        "list_page_big_c1_keyset" => lists::keyset_of_the_large_tenant(name, 0).await,
        "list_page_deep_c1_keyset" => lists::keyset_of_the_large_tenant(name, settings::depth()).await,
        "scoped_list_rls_c1" => lists::newest(name, false).await,
        "scoped_list_status_rls_c1" => lists::newest(name, true).await,
        "create_request_with_tasks_c1" | "create_request_with_tasks_c8" => creates::with_ten_tasks(name, callers).await,
        "bulk_update_status" => bulk::update_status(name).await,
        "bulk_insert_tasks" => bulk::insert_tasks(name).await,
        "reset_monthly_usage" => bulk::close_usage(name).await,
        "cleanup_sessions" => bulk::remove_sessions(name).await,
        "remove_usage_events" => events::remove_events(name).await,
        "count_use_c1" => events::count_use(name).await,
        "audit_append_c1" => events::append_record(name).await,
        "audit_page_c1" => events::newest_records(name).await,
        "save_read_connection_c1" => connections::save_and_read(name).await,
        "save_connection_returning_c1" => connections::save_and_open(name).await,
        "raw_scoped_read_d_drop_c1" | "raw_scoped_read_d_drop_c16" => floor::dropped_transaction(name, callers).await,
        "raw_scoped_read_gate_c1" | "raw_scoped_read_gate_c16" => floor::gated_statement(name, callers).await,
        _ => Err(format!("no such workload: {name}; --list prints the names").into()),
    }
}
