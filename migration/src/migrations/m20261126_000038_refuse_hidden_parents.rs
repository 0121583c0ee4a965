//! Refuses a row that refers to a user or request that its writer cannot see, as if that parent did not exist.
//!
//! PostgreSQL checks a foreign key with the table owner's rights and ignores policies. Without these triggers, a tenant
//! can learn which ids other tenants have, and link to them. The triggers read with the writer's rights before any
//! index does, and raise the foreign key's error in both cases.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// A foreign key to a parent that has a tenant.
struct Reference {
    table: &'static str,
    parent: Parent,
    /// The name of the key that the error reports.
    key: &'static str,
    when: When,
}

#[derive(Clone, Copy)]
enum Parent {
    User,
    Request,
    /// A task's user. Also allows the user of the task's own request, whom an agency no longer sees once they have
    /// left.
    UserOfTask,
}

/// The time of the check. It runs before the write if a unique index on the column would reveal the hidden parent.
/// Otherwise it runs after the write like the server's own check, because a statement may also add the parent.
#[derive(Clone, Copy, Eq, PartialEq)]
enum When {
    Before,
    /// On an update to another parent, `…_tenantId_move` clears the tenant key first, and the policy refuses the row.
    BeforeInsert,
    After,
}

impl Parent {
    const ALL: [Self; 3] = [Self::User, Self::Request, Self::UserOfTask];

    fn table(self) -> &'static str {
        match self {
            Self::User | Self::UserOfTask => "User",
            Self::Request => "Request",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::User | Self::UserOfTask => "userId",
            Self::Request => "requestId",
        }
    }

    fn function(self) -> &'static str {
        match self {
            Self::User => "rylie_visible_user",
            Self::Request => "rylie_visible_request",
            Self::UserOfTask => "rylie_visible_user_of_task",
        }
    }

    /// Returns whether the writer may read the parents at all. A login of the old service may have the right to insert
    /// only.
    fn may_read(self) -> String {
        let right = |table: &str, column: &str| {
            format!("pg_catalog.has_column_privilege('public.\"{table}\"', '{column}', 'SELECT')")
        };
        match self {
            Self::User | Self::Request => right(self.table(), "id"),
            Self::UserOfTask => [right("User", "id"), right("Request", "id"), right("Request", "userId")].join(" AND "),
        }
    }

    /// Returns the condition for other parents that the writer may refer to.
    fn or(self) -> &'static str {
        match self {
            Self::User | Self::Request => "",
            Self::UserOfTask => {
                " AND NOT EXISTS (SELECT FROM public.\"Request\" r WHERE r.id OPERATOR(pg_catalog.=) NEW.\"requestId\" \
                 AND r.\"userId\" OPERATOR(pg_catalog.=) NEW.\"userId\")"
            }
        }
    }
}

const fn of(table: &'static str, parent: Parent, key: &'static str, when: When) -> Reference {
    Reference { table, parent, key, when }
}

const REFERENCES: [Reference; 11] = [
    of("Request", Parent::User, "Request_userId_fkey", When::After),
    of("Task", Parent::UserOfTask, "Task_userId_fkey", When::After),
    of("Task", Parent::Request, "Task_requestId_fkey", When::After),
    of("SEOWorksTaskMapping", Parent::Request, "SEOWorksTaskMapping_requestId_fkey", When::After),
    of("Account", Parent::User, "Account_userId_fkey", When::BeforeInsert),
    of("Session", Parent::User, "Session_userId_fkey", When::BeforeInsert),
    of("UserPreferences", Parent::User, "UserPreferences_userId_fkey", When::BeforeInsert),
    of("GA4Connection", Parent::User, "GA4Connection_userId_fkey", When::BeforeInsert),
    of("SearchConsoleConnection", Parent::User, "SearchConsoleConnection_userId_fkey", When::BeforeInsert),
    of("MonthlyUsage", Parent::User, "MonthlyUsage_userId_fkey", When::BeforeInsert),
    of("UsageEvent", Parent::User, "UsageEvent_userId_tenantId_fkey", When::Before),
];

pub(crate) struct RefuseHiddenParents;

impl Migration for RefuseHiddenParents {
    fn name(&self) -> &'static str {
        "m20261126_000038_refuse_hidden_parents"
    }

    /// SQLite has no roles; there, every write passes the tenant filter.
    fn up(&self, engine: Engine) -> Vec<Step> {
        if engine == Engine::Sqlite {
            return Vec::new();
        }
        let functions = Parent::ALL.iter().flat_map(|parent| function(*parent));
        functions.chain(REFERENCES.iter().flat_map(triggers)).map(Step::sql).collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        if engine == Engine::Sqlite {
            return Vec::new();
        }
        let triggers = REFERENCES.iter().flat_map(|reference| {
            ["insert", "update"].map(|event| {
                format!("DROP TRIGGER IF EXISTS {} ON \"{}\"", trigger_name(reference, event), reference.table)
            })
        });
        let functions =
            Parent::ALL.iter().map(|parent| format!("DROP FUNCTION IF EXISTS public.{}()", parent.function()));
        triggers.chain(functions).map(Step::sql).collect()
    }
}

/// Returns the function, which runs with the writer's rights. Its message is the same, in English, for a missing and a
/// hidden parent. The server's own message would distinguish them.
fn function(parent: Parent) -> [String; 2] {
    let (name, table, column, or) = (parent.function(), parent.table(), parent.column(), parent.or());
    let may_read = parent.may_read();
    [
        format!(
            "CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp \
             AS $$ BEGIN IF {may_read} THEN \
             IF NOT EXISTS (SELECT FROM public.\"{table}\" p WHERE p.id OPERATOR(pg_catalog.=) NEW.\"{column}\"){or} THEN \
             RAISE EXCEPTION USING ERRCODE = '23503', \
             MESSAGE = pg_catalog.format('insert or update on table \"%s\" violates foreign key constraint \"%s\"', TG_TABLE_NAME, TG_ARGV[0]), \
             DETAIL = 'Key is not present in table \"{table}\".', \
             SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_ARGV[0]; \
             END IF; END IF; RETURN NEW; END $$"
        ),
        // The table owner must own it, even if another role created one of that name before.
        format!("ALTER FUNCTION public.{name}() OWNER TO CURRENT_USER"),
    ]
}

/// Returns the trigger's name. Triggers fire in name order, and the server's foreign key triggers begin with `RI_`.
/// This one comes first, so that both cases raise the same error.
fn trigger_name(reference: &Reference, event: &str) -> String {
    format!("\"Parent_{}_visible_{event}\"", reference.parent.column())
}

/// Returns the triggers. They apply only if a policy on the parent applies to the writer. The old service, as the table
/// owner, and the cascades of foreign keys are therefore exempt.
fn triggers(reference: &Reference) -> [String; 2] {
    let Reference { table, parent, key, when } = reference;
    let (column, parent_table, function) = (parent.column(), parent.table(), parent.function());
    let bound = format!("row_security_active('public.\"{parent_table}\"'::regclass)");
    let trigger = |event: &str, time: &str, concerned: &str| {
        format!(
            "CREATE OR REPLACE TRIGGER {} {time} {event} ON \"{table}\" FOR EACH ROW \
             WHEN (NEW.\"{column}\" IS NOT NULL AND {concerned} AND {bound}) EXECUTE FUNCTION public.{function}('{key}')",
            trigger_name(reference, event),
        )
    };
    let time = |before: bool| if before { "BEFORE" } else { "AFTER" };
    [
        // For a hidden parent, a row without a key gets an empty one, and the policy refuses it.
        trigger("insert", time(*when != When::After), "NEW.\"tenantId\" <> ''"),
        trigger("update", time(*when == When::Before), &format!("NEW.\"{column}\" IS DISTINCT FROM OLD.\"{column}\"")),
    ]
}
