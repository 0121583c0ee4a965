//! The list of migrations.

use std::borrow::Cow;

use crate::step::{Engine, Step};
use crate::{
    m20261123_000001_create_base_tables as m1, m20261123_000002_create_rylie_database as m2,
    m20261123_000003_add_tenant_key as m3, m20261123_000004_add_soft_delete as m4,
    m20261123_000005_drop_audit_log_foreign_key as m5, m20261123_000006_replace_indexes as m6,
    m20261123_000007_create_door_roles as m7, m20261123_000008_enable_row_level_security as m8,
    m20261124_000010_add_api_key_index as m10, m20261124_000011_add_audit_columns as m11,
    m20261124_000012_create_audit_seals as m12, m20261124_000013_protect_audit_log as m13,
    m20261124_000014_grant_audit_seals as m14, m20261124_000015_create_logins as m15,
    m20261124_000017_create_usage_event as m17, m20261124_000018_index_what_is_purged as m18,
    m20261124_000019_create_job_runs as m19, m20261124_000020_create_sizes_and_alerts as m20,
    m20261125_000021_lighten_audit_log as m21, m20261125_000022_index_what_is_counted as m22,
    m20261125_000023_leave_room_in_users as m23, m20261126_000024_read_by_id_at_once as m24,
    m20261126_000027_fix_search_path_of_readers as m27, m20261126_000030_create_sealer as m30,
    m20261126_000031_let_logins_seal as m31, m20261126_000032_keep_audit_time as m32,
    m20261126_000035_count_an_event_once_a_tenant as m35, m20261126_000036_spell_times_one_way as m36,
    m20261126_000038_refuse_hidden_parents as m38,
};

/// One change of the schema. A released one is never edited.
pub trait Migration: Send + Sync {
    /// The name it is recorded under: that of its file.
    fn name(&self) -> &'static str;

    /// The steps that apply it.
    fn up(&self, engine: Engine) -> Vec<Step>;

    /// The steps that take it back.
    fn down(&self, engine: Engine) -> Vec<Step>;

    /// A condition in SQL that must be true once it is applied: a query of one value, or an expression. It is asked
    /// before the migration is recorded; where it is not true the migration counts as failed.
    fn verify(&self, _engine: Engine) -> Option<Cow<'static, str>> {
        None
    }

    /// Whether all steps and the record are one transaction. Otherwise each step must bear being done again.
    fn in_transaction(&self, engine: Engine) -> bool {
        // SQLite has one writer anyway; on PostgreSQL locks are to be held for one statement only.
        engine == Engine::Sqlite
    }

    /// Whether it builds the second wall. PostgreSQL's roles can be missing at first or later on, so on PostgreSQL the
    /// steps of such a migration leave undone what takes a role that is not there, and are done again once it is.
    fn builds_walls(&self) -> bool {
        false
    }
}

/// All migrations, oldest first.
pub const MIGRATIONS: &[&dyn Migration] = &[
    &m1::CreateBaseTables,
    &m2::CreateRylieDatabase,
    &m3::AddTenantKey,
    &m4::AddSoftDelete,
    &m5::DropAuditLogForeignKey,
    &m6::ReplaceIndexes,
    &m7::CreateDoorRoles,
    &m8::EnableRowLevelSecurity,
    &m10::AddApiKeyIndex,
    &m11::AddAuditColumns,
    &m12::CreateAuditSeals,
    &m13::ProtectAuditLog,
    &m14::GrantAuditSeals,
    &m15::CreateLogins,
    &m17::CreateUsageEvent,
    &m18::IndexWhatIsPurged,
    &m19::CreateJobRuns,
    &m20::CreateSizesAndAlerts,
    &m21::LightenAuditLog,
    &m22::IndexWhatIsCounted,
    &m23::LeaveRoomInUsers,
    &m24::ReadByIdAtOnce,
    &m27::FixSearchPathOfReaders,
    &m30::CreateSealer,
    &m31::LetLoginsSeal,
    &m32::KeepAuditTime,
    &m35::CountAnEventOnceATenant,
    &m36::SpellTimesOneWay,
    &m38::RefuseHiddenParents,
];

/// The first one: what a database made by Prisma has already.
pub(crate) const BASE: &dyn Migration = &m1::CreateBaseTables;

/// The one that makes the table of the mark.
pub(crate) const MARK: &dyn Migration = &m2::CreateRylieDatabase;

/// The tables of the base.
pub(crate) const BASE_TABLES: [&str; 14] = m1::TABLES;

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
