//! Statements that a deploy sends instead of a released migration's, with the same effect.
//!
//! A released migration is never edited, because its recorded checksum covers the released text. If a released
//! statement turns out to be slow, its replacement is defined here, and the record keeps the released text. A
//! replacement must leave the same rows. It must also be able to continue where the released statement was interrupted,
//! and vice versa.

use std::borrow::Cow;

use crate::deploy::aside;
use crate::deploy::coexistence::FILLING;
use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// The migration that fills the tenant key.
pub(crate) const FILL: &str = "m20261123_000003_add_tenant_key";

/// The tables that `m20261123_000003_add_tenant_key` fills, and the value for each row. The released statement joins
/// the table to itself. Without statistics of the new column the planner expects one row, and compares every row of a
/// batch with every other one. A sub-select runs once per row, by the parent's index, independent of the planner's
/// estimate.
const FILLS: [(&str, &str); 12] = [
    ("Agency", "id"),
    ("User", "coalesce(\"agencyId\", 'user:' || id)"),
    ("Request", "coalesce(\"agencyId\", 'user:' || \"userId\")"),
    ("Task", OF_REQUEST),
    ("SEOWorksTaskMapping", OF_REQUEST),
    ("Account", OF_USER),
    ("Session", OF_USER),
    ("UserPreferences", OF_USER),
    ("GA4Connection", OF_USER),
    ("SearchConsoleConnection", OF_USER),
    ("MonthlyUsage", OF_USER),
    (
        "AuditLog",
        "coalesce((SELECT parent.\"tenantId\" FROM \"User\" parent WHERE parent.id = \"AuditLog\".\"userId\"), 'platform')",
    ),
];

// The lock prevents changes of the parent's key until the batch is committed.
const OF_REQUEST: &str =
    "(SELECT parent.\"tenantId\" FROM \"Request\" parent WHERE parent.id = $table.\"requestId\" FOR KEY SHARE)";
const OF_USER: &str =
    "(SELECT parent.\"tenantId\" FROM \"User\" parent WHERE parent.id = $table.\"userId\" FOR KEY SHARE)";

/// Returns the steps of a migration as a deploy sends them.
#[must_use]
pub fn steps_sent(migration: &dyn Migration, engine: Engine) -> Vec<Step> {
    let steps = migration.up(engine);
    match migration.name() {
        FILL => steps.into_iter().map(|step| fill_of(&step).unwrap_or(step)).collect(),
        "m20261124_000011_add_audit_columns" => {
            steps.into_iter().map(|step| counts_on(&step).unwrap_or(step)).collect()
        }
        "m20261124_000012_create_audit_seals" => steps.into_iter().map(|step| wait_of(&step).unwrap_or(step)).collect(),
        _ => steps,
    }
}

/// Lets a function that reads a parent's tenant run with its owner's rights from its creation on, as the coexistence
/// keeps it. A login of the old service may add rows without the right to read their parents. Other steps stay. The end
/// of the coexistence turns the functions back.
#[must_use]
pub(crate) fn for_old_logins(step: Step) -> Step {
    const CREATE: &str = "CREATE OR REPLACE FUNCTION public.";
    let name = step.statement().strip_prefix(CREATE).and_then(|rest| rest.split_once(" RETURNS "));
    match name {
        Some((name, rest)) if FILLING.contains(&name) => Step::sql(format!(
            "{CREATE}{name} RETURNS {}",
            rest.replacen(" LANGUAGE plpgsql ", " LANGUAGE plpgsql SECURITY DEFINER ", 1)
        )),
        _ => step,
    }
}

/// Returns the steps of a migration's reversal as `down` and `adopt --undo` send them.
///
/// Between the released statements that drop a trigger and its column, the old service's inserts would fail: the column
/// must not be null, and nothing fills it. The statement of the first trigger therefore drops both, in one transaction.
/// The later ones find nothing to drop.
#[must_use]
pub(crate) fn steps_sent_down(migration: &dyn Migration, engine: Engine) -> Vec<Step> {
    let steps = migration.down(engine);
    if engine == Engine::Sqlite || !fills_tenant_key(migration) {
        return steps;
    }
    let sent = steps.iter().enumerate().map(|(number, step)| {
        let column = steps[number..].iter().find(|later| later.statement().starts_with("ALTER TABLE"));
        let own = column.filter(|_| step.statement().starts_with("DROP TRIGGER"));
        own.map_or(step.clone(), |column| {
            let table = column.statement().split('"').nth(1).unwrap_or_default();
            let on = format!(" ON \"{table}\"");
            let triggers =
                steps.iter().map(Step::statement).filter(|sql| sql.starts_with("DROP TRIGGER") && sql.ends_with(&on));
            Step::sql(triggers.chain([column.statement()]).collect::<Vec<_>>().join("; "))
        })
    });
    sent.collect()
}

/// Returns whether it is the migration that fills the tenant key.
pub(crate) fn fills_tenant_key(migration: &dyn Migration) -> bool {
    migration.name() == FILL
}

fn fill_of(step: &Step) -> Option<Step> {
    let Step::Batches(released) = step else { return None };
    let table = filled_table(released)?;
    let (_, value) = FILLS.iter().find(|(name, _)| *name == table)?;
    let row = format!("\"{table}\"");
    let value = value.replace("$table", &row);
    // A row that a trigger filled before the foreign key existed did not follow its parent to another tenant. An event
    // keeps the tenant of its time.
    let wrong = match value.strip_suffix(" FOR KEY SHARE)") {
        Some(of_parent) => format!("({row}.\"tenantId\" IS NULL OR {row}.\"tenantId\" <> {of_parent}))"),
        None => format!("{row}.\"tenantId\" IS NULL"),
    };
    Some(Step::Batches(Cow::Owned(format!(
        "WITH last AS MATERIALIZED (SELECT max(id) AS id FROM (SELECT id FROM {row} WHERE id >= $1 ORDER BY id LIMIT $2) ids), \
         filled AS (UPDATE {row} SET \"tenantId\" = {value} \
         WHERE {row}.id >= $1 AND {row}.id <= (SELECT id FROM last) AND {wrong}) \
         SELECT nullif(id, $1) FROM last"
    ))))
}

/// Returns the tables whose rows the fill of the tenant key updates.
pub(crate) fn filled_tables() -> impl Iterator<Item = &'static str> {
    FILLS.iter().map(|(table, _)| *table)
}

/// Lets positions continue after those that were set aside, before the trigger gives the first one: the restoration follows
/// in a later transaction.
fn counts_on(step: &Step) -> Option<Step> {
    let sql = step.statement();
    sql.contains("FUNCTION public.rylie_audit_position() RETURNS")
        .then(|| Step::sql(format!("{sql}; {}", aside::positions_if_kept())))
}

/// A record that was written before its trigger existed has a position already. It waits for sealing at that position: a
/// verification would report another one as tampering. Two records with one position, of an earlier version's adoption,
/// do not stop the step.
fn wait_of(step: &Step) -> Option<Step> {
    const RELEASED: &str = "(record_id) SELECT a.id FROM public.\"AuditLog\" a";
    const SENT: &str = "(position, record_id) SELECT coalesce(CASE WHEN a.nth = 1 \
         AND NOT EXISTS (SELECT FROM public.rylie_audit_pending q WHERE q.position = a.position) THEN a.position END, \
         nextval('public.rylie_audit_position')), a.id FROM (SELECT id, position, \"createdAt\", \
         row_number() OVER (PARTITION BY position ORDER BY \"createdAt\", id) AS nth FROM public.\"AuditLog\") a";
    let sql = step.statement();
    sql.contains(RELEASED).then(|| Step::sql(sql.replace(RELEASED, SENT)))
}

/// Returns the table that a batch statement processes: the first one in its text.
pub(crate) fn filled_table(batches: &str) -> Option<&str> {
    batches.split_once("FROM \"")?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::MIGRATIONS;

    #[test]
    fn every_fill_is_replaced_and_no_other_step() {
        let mut replaced = Vec::new();
        for migration in MIGRATIONS {
            let (released, sent) = (migration.up(Engine::Postgres), steps_sent(*migration, Engine::Postgres));
            assert_eq!(released.len(), sent.len(), "a deploy resumes by the number of a step");
            for (released, sent) in released.iter().zip(&sent).filter(|(released, sent)| released != sent) {
                if let Step::Sql(sent) = sent {
                    let own = ["rylie_aside_records", "PARTITION BY position"];
                    let part = own.iter().find(|part| sent.contains(**part)).unwrap_or_else(|| panic!("{sent}"));
                    replaced.push((*part).to_owned());
                    continue;
                }
                assert!(matches!((released, sent), (Step::Batches(_), Step::Batches(_))), "{released:?}");
                assert_eq!(filled_table(released.statement()), filled_table(sent.statement()));
                replaced.push(filled_table(sent.statement()).unwrap_or_default().to_owned());
            }
            assert_eq!(migration.up(Engine::Sqlite), steps_sent(*migration, Engine::Sqlite));
        }
        let audit = ["rylie_aside_records", "PARTITION BY position"];
        assert_eq!(replaced, FILLS.map(|(table, _)| table).into_iter().chain(audit).collect::<Vec<_>>());
    }

    #[test]
    fn the_functions_that_read_a_parent_are_created_with_their_owners_rights() {
        let steps = steps_sent(MIGRATIONS[2], Engine::Postgres).into_iter();
        let changed = steps.filter(|step| for_old_logins(step.clone()) != *step);
        let changed: Vec<Step> = changed.map(for_old_logins).collect();

        assert_eq!(changed.len(), FILLING.len());
        assert!(changed.iter().all(|step| step.statement().contains(" LANGUAGE plpgsql SECURITY DEFINER SET ")));
    }

    #[test]
    fn no_trigger_of_the_tenant_key_is_dropped_before_its_column() {
        let add_tenant_key = MIGRATIONS[2];
        let (released, sent) =
            (add_tenant_key.down(Engine::Postgres), steps_sent_down(add_tenant_key, Engine::Postgres));

        assert_eq!(released.len(), sent.len());
        for (released, sent) in released.iter().zip(&sent) {
            let sent = sent.statement();
            assert!(sent.contains(released.statement()));
            if let Some(table) =
                sent.strip_prefix("DROP TRIGGER").and_then(|sql| sql.split(" ON \"").nth(1)?.split('"').next())
            {
                assert!(sent.contains(&format!("ALTER TABLE \"{table}\" DROP COLUMN")), "{sent}");
            }
        }
    }

    /// The formulas must equal those of the released statements: changing one would change the migration's effect.
    #[test]
    fn a_replacement_writes_the_value_of_the_released_statement() {
        let add_tenant_key = MIGRATIONS[2];
        for released in add_tenant_key.up(Engine::Postgres).iter().filter(|step| matches!(step, Step::Batches(_))) {
            let table = filled_table(released.statement()).unwrap_or_default();
            let (_, value) = FILLS.iter().find(|(name, _)| *name == table).unwrap();
            let parent = ["Request", "User"].into_iter().find(|parent| value.contains(&format!("FROM \"{parent}\"")));
            match parent {
                Some(parent) => assert!(released.statement().contains(&format!("\"{parent}\"")), "{table}"),
                None => assert!(released.statement().contains(&format!("SET \"tenantId\" = {value} ")), "{table}"),
            }
        }
    }
}
