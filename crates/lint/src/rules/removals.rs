//! Removals: only after no running code uses the object.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::script::Part;
use crate::tree::Tree;

macro_rules! removal {
    ($id:literal, $like:literal, $harm:literal, $fix:literal, $fails:literal, $passes:literal, $check:expr) => {
        &Rule { id: $id, like: $like, harm: $harm, fix: $fix, fails: $fails, passes: $passes, check: $check }
    };
}

pub(super) const RULES: &[&Rule] = &[
    removal!(
        "drop-column",
        "squawk `ban-drop-column`, strong_migrations `remove_column`",
        "running code that uses it fails, and its data is lost",
        "remove it from the code, deploy everywhere, back up, then allow this with the reason",
        "ALTER TABLE \"Task\" DROP COLUMN IF EXISTS note;",
        "ALTER TABLE \"Task\" ALTER COLUMN note SET DEFAULT '';",
        |_, part| part.is(K::DROP_COLUMN)
    ),
    removal!(
        "drop-table",
        "squawk `ban-drop-table`, strong_migrations `drop_table`, `create_table`",
        "running code that uses it fails, and its data is lost",
        "remove it from the code, deploy everywhere, back up, then allow this with the reason",
        "DROP TABLE IF EXISTS \"Report\";",
        "COMMENT ON TABLE \"Report\" IS 'unused since 2026-11; to be dropped';",
        |context, part| part.is(K::DROP_TABLE)
            && !part.node.names(K::TABLE_NAME_REF).iter().all(|table| context.script.made_before(part, table))
    ),
    removal!(
        "drop-database",
        "squawk `ban-drop-database`",
        "everything is lost",
        "drop it manually, after a second check",
        "DROP DATABASE IF EXISTS platform;",
        "SELECT 1;",
        |_, part| part.is(K::DROP_DATABASE)
    ),
    removal!(
        "drop-schema",
        "squawk `ban-drop-schema`",
        "everything in it is lost, and running code fails",
        "drop its objects one by one, each with a reason",
        "DROP SCHEMA IF EXISTS reports;",
        "CREATE SCHEMA IF NOT EXISTS reports;",
        |_, part| part.is(K::DROP_SCHEMA)
    ),
    removal!(
        "drop-type",
        "squawk `ban-drop-type`",
        "removing a label needs a new type, which rewrites the tables; running code that sends the old label fails",
        "keep the label, and forbid it with a CHECK … NOT VALID",
        "DROP TYPE IF EXISTS \"TaskType\";",
        "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (type <> 'PAGE') NOT VALID;",
        |_, part| part.is(K::DROP_TYPE)
    ),
    removal!(
        "drop-constraint",
        "squawk `ban-drop-constraint`",
        "invalid rows can be inserted, and remain if the constraint is added again",
        "add its replacement in the same statement; otherwise allow this with the reason",
        "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k;",
        "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (title <> '') NOT VALID;",
        |context, part| {
            let names = part.node.names(K::CONSTRAINT_NAME_REF);
            let added = |other: &Part| {
                other.is(K::ADD_CONSTRAINT)
                    && other.table == part.table
                    && other.node.names(K::CONSTRAINT_NAME) == names
            };
            part.is(K::DROP_CONSTRAINT) && !context.script.parts.iter().any(added)
        }
    ),
    removal!(
        "drop-not-null",
        "squawk `ban-drop-not-null`",
        "running code that expects a value fails on the first null",
        "make the code accept null, deploy it everywhere, then allow this with the reason",
        "ALTER TABLE \"Task\" ALTER COLUMN title DROP NOT NULL;",
        "ALTER TABLE \"Task\" ALTER COLUMN title SET DEFAULT '';",
        |_, part| part.is(K::ALTER_COLUMN) && part.node.has(K::DROP_NOT_NULL)
    ),
    removal!(
        "drop-default",
        "squawk `ban-drop-default`",
        "running code that omits the column fails, or stores nulls",
        "make the code set the value, deploy it everywhere, then allow this with the reason",
        "ALTER TABLE \"Task\" ALTER COLUMN title DROP DEFAULT;",
        "ALTER TABLE \"Task\" ALTER COLUMN title SET DEFAULT '';",
        |_, part| part.is(K::ALTER_COLUMN) && part.node.has(K::DROP_DEFAULT)
    ),
    removal!(
        "drop-expression",
        "squawk `ban-drop-generated-expression`, `ban-alter-identity`",
        "the column is no longer filled in: running code that omits it stores nulls",
        "add a default or a trigger in the same transaction, and allow this with the reason",
        "ALTER TABLE \"Task\" ALTER COLUMN length DROP EXPRESSION IF EXISTS;",
        "ALTER TABLE \"Task\" ALTER COLUMN length SET STATISTICS 500;",
        |_, part| part.is(K::ALTER_COLUMN) && (part.node.has(K::DROP_EXPRESSION) || part.node.has(K::DROP_IDENTITY))
    ),
    removal!(
        "drop-trigger",
        "squawk `ban-drop-trigger`",
        "its columns are no longer filled in, and its checks no longer run, for every writer",
        "CREATE OR REPLACE TRIGGER; otherwise allow this with the reason",
        "DROP TRIGGER IF EXISTS t ON \"Task\";",
        "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON \"Task\" FOR EACH ROW EXECUTE FUNCTION f();",
        |context, part| part.is(K::DROP_TRIGGER)
            && !made_again(context.script.after(part), part, K::TRIGGER_REF, K::TRIGGER)
    ),
    removal!(
        "drop-object",
        "squawk `ban-drop-view`, `ban-drop-function`, `ban-drop-sequence`, `ban-drop-domain`, `ban-drop-extension`",
        "running code that uses it fails",
        "CREATE OR REPLACE; otherwise remove it from the code, deploy everywhere, then allow this with the reason",
        "DROP FUNCTION IF EXISTS f();",
        "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        |_, part| {
            part.is_one_of(&[
                K::DROP_VIEW,
                K::DROP_MATERIALIZED_VIEW,
                K::DROP_FUNCTION,
                K::DROP_PROCEDURE,
                K::DROP_ROUTINE,
                K::DROP_SEQUENCE,
                K::DROP_DOMAIN,
                K::DROP_EXTENSION,
                K::DROP_OWNED,
            ])
        }
    ),
];

/// Returns whether a later part creates the same object again.
pub(super) fn made_again<'a>(mut later: impl Iterator<Item = &'a Part>, part: &Part, named: K, by: K) -> bool {
    let name = part.node.child(named).map(|name| name.name());
    later.any(|other| other.table == part.table && other.node.child(by).map(|name| name.name()) == name)
}
