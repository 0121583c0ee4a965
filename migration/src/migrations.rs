//! The list of migrations.

pub(crate) mod at_once;
pub(crate) mod sqlite_rebuild;
pub(crate) mod tenant_table;

use std::borrow::Cow;

use crate::new_table::NewTable;
use crate::step::{Engine, Step};
use crate::table_change::TableChange;

/// One change of the schema. A released migration is never edited.
pub trait Migration: Send + Sync {
    /// Returns the name under which it is recorded, which is also its file's.
    fn name(&self) -> &'static str;

    /// Returns the steps that apply it.
    fn up(&self, engine: Engine) -> Vec<Step>;

    /// Returns the steps that revert it.
    fn down(&self, engine: Engine) -> Vec<Step>;

    /// Returns an SQL condition, a query of one value or an expression, that must be true once the steps are done. It
    /// is checked before the migration is recorded; a false condition counts as a failure.
    fn verify(&self, _engine: Engine) -> Option<Cow<'static, str>> {
        None
    }

    /// Returns whether all steps and the record are one transaction. Otherwise each step must be safe to run again.
    fn in_transaction(&self, engine: Engine) -> bool {
        // SQLite has a single writer anyway; on PostgreSQL, a lock should last for one statement only.
        engine == Engine::Sqlite
    }

    /// Returns whether it belongs to row-level security. PostgreSQL's roles can be missing, at first or later. The
    /// steps therefore skip what needs a missing role, and run again once it exists.
    fn builds_row_security(&self) -> bool {
        false
    }

    /// Returns the table of a service that it creates; `None` for the platform's migrations.
    fn own_table(&self) -> Option<NewTable> {
        None
    }

    /// Returns what it adds to a table of a service; `None` for all other migrations.
    fn own_change(&self) -> Option<TableChange> {
        None
    }
}

/// Declares the module of each migration and lists it, so that each name occurs once.
macro_rules! migrations {
    ($($module:ident::$migration:ident,)+) => {
        $(pub(crate) mod $module;)+

        /// All migrations, oldest first.
        pub const MIGRATIONS: &[&dyn Migration] = &[$(&$module::$migration),+];
    };
}

migrations! {
    m20261123_000001_create_base_tables::CreateBaseTables,
    m20261123_000002_create_rylie_database::CreateRylieDatabase,
    m20261123_000003_add_tenant_key::AddTenantKey,
    m20261123_000004_add_soft_delete::AddSoftDelete,
    m20261123_000005_drop_audit_log_foreign_key::DropAuditLogForeignKey,
    m20261123_000006_replace_indexes::ReplaceIndexes,
    m20261123_000007_create_door_roles::CreateDoorRoles,
    m20261123_000008_enable_row_level_security::EnableRowLevelSecurity,
    m20261124_000010_add_api_key_index::AddApiKeyIndex,
    m20261124_000011_add_audit_columns::AddAuditColumns,
    m20261124_000012_create_audit_seals::CreateAuditSeals,
    m20261124_000013_protect_audit_log::ProtectAuditLog,
    m20261124_000014_grant_audit_seals::GrantAuditSeals,
    m20261124_000015_create_logins::CreateLogins,
    m20261124_000017_create_usage_event::CreateUsageEvent,
    m20261124_000018_index_what_is_purged::IndexWhatIsPurged,
    m20261124_000019_create_job_runs::CreateJobRuns,
    m20261124_000020_create_sizes_and_alerts::CreateSizesAndAlerts,
    m20261125_000021_lighten_audit_log::LightenAuditLog,
    m20261125_000022_index_what_is_counted::IndexWhatIsCounted,
    m20261125_000023_leave_room_in_users::LeaveRoomInUsers,
    m20261126_000024_read_by_id_at_once::ReadByIdAtOnce,
    m20261126_000027_fix_search_path_of_readers::FixSearchPathOfReaders,
    m20261126_000030_create_sealer::CreateSealer,
    m20261126_000031_let_logins_seal::LetLoginsSeal,
    m20261126_000032_keep_audit_time::KeepAuditTime,
    m20261126_000035_count_an_event_once_a_tenant::CountAnEventOnceATenant,
    m20261126_000036_spell_times_one_way::SpellTimesOneWay,
    m20261126_000038_refuse_hidden_parents::RefuseHiddenParents,
    m20261126_000052_create_idempotency_key::CreateIdempotencyKey,
    m20261126_000061_check_chain_before_removal::CheckChainBeforeRemoval,
    m20261127_000068_sign_in_at_once::SignInAtOnce,
    m20261127_000069_mark_provisioned_logins::MarkProvisionedLogins,
    m20261127_000080_lock_sealing::LockSealing,
    m20261127_000081_limit_audit_texts::LimitAuditTexts,
    m20261128_000082_add_request_at_once::AddRequestAtOnce,
    m20261128_000083_save_connection_at_once::SaveConnectionAtOnce,
    m20261128_000084_hold_session::HoldSession,
    m20261128_000085_reserve_trigger_functions::ReserveTriggerFunctions,
    m20261128_000086_keep_request_counts::KeepRequestCounts,
    m20261128_000087_set_status_at_once::SetStatusAtOnce,
}

/// The first migration, whose result a database created by Prisma already has.
pub(crate) const BASE: &dyn Migration = &m20261123_000001_create_base_tables::CreateBaseTables;

/// The migration that creates the table of the environment marker.
pub(crate) const MARK: &dyn Migration = &m20261123_000002_create_rylie_database::CreateRylieDatabase;

/// The tables of the base.
pub(crate) const BASE_TABLES: [&str; 14] = m20261123_000001_create_base_tables::TABLES;

/// Returns the tables of the base as an SQL list.
pub(crate) fn base_tables_list() -> String {
    BASE_TABLES.map(|table| format!("'{table}'")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_order() {
        let names: Vec<_> = MIGRATIONS.iter().map(|migration| migration.name()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();

        assert_eq!(names, sorted);
    }

    #[test]
    fn what_cannot_run_in_a_transaction_does_not() {
        for migration in MIGRATIONS.iter().filter(|migration| migration.in_transaction(Engine::Postgres)) {
            let steps = [migration.up(Engine::Postgres), migration.down(Engine::Postgres)].concat();
            assert!(steps.iter().all(|step| matches!(step, Step::Sql(_))), "{}", migration.name());
        }
    }

    #[test]
    fn sqlite_gets_plain_statements_only() {
        for migration in MIGRATIONS {
            let steps = [migration.up(Engine::Sqlite), migration.down(Engine::Sqlite)].concat();
            assert!(steps.iter().all(|step| matches!(step, Step::Sql(_))), "{}", migration.name());
        }
    }
}
