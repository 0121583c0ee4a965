//! A row that refers to a user or request that its writer cannot see is refused, as if that parent did not exist.
//!
//! PostgreSQL checks a foreign key with the table owner's rights, past every policy. So the check alone tells a tenant which ids
//! other tenants have, and lets it link to them. These triggers look with the writer's own rights, before any index is asked,
//! and raise the foreign key's error for both cases.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// A foreign key to a parent that has a tenant.
struct Reference {
    table: &'static str,
    parent: Parent,
    /// The name of the key that is reported.
    key: &'static str,
    when: When,
}

#[derive(Clone, Copy)]
enum Parent {
    User,
    Request,
    /// A task's: also the user of its own request, whom an agency that she has left sees no more.
    UserOfTask,
}

/// Before the row is written where a unique index holds the column, which would tell of the hidden parent. Otherwise after it, as
/// the server's own check: a statement may add the parent as well.
#[derive(Clone, Copy, Eq, PartialEq)]
enum When {
    Before,
    /// An update that gives another parent loses its tenant's key before (`…_tenantId_move`), and the policy refuses it.
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

    /// Whether the writer may read the parents at all. A login of the old service may have the right to add rows alone.
    fn may_read(self) -> String {
        let right = |table: &str, column: &str| {
            format!("pg_catalog.has_column_privilege('public.\"{table}\"', '{column}', 'SELECT')")
        };
        match self {
            Self::User | Self::Request => right(self.table(), "id"),
            Self::UserOfTask => [right("User", "id"), right("Request", "id"), right("Request", "userId")].join(" AND "),
        }
    }

    /// What else the writer may name.
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

    /// SQLite has no roles: nobody writes there but through the fence.
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

/// With the writer's rights. The message is in English whatever the server's language, as the server's own would tell a missing
/// parent from a hidden one.
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
        // The tables' owner's, whoever made one of that name before.
        format!("ALTER FUNCTION public.{name}() OWNER TO CURRENT_USER"),
    ]
}

/// Triggers fire in the order of their names, and the server's own of a foreign key begin with `RI_`: this one comes first, so
/// that both cases are told by the same error.
fn trigger_name(reference: &Reference, event: &str) -> String {
    format!("\"Parent_{}_visible_{event}\"", reference.parent.column())
}

/// Only where a policy binds the writer to the parent: the old service, as the tables' owner, does not pass by here, and the
/// cascades of foreign keys do not either.
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
        // A row without a key gets an empty one for a hidden parent, and the policy refuses it.
        trigger("insert", time(*when != When::After), "NEW.\"tenantId\" <> ''"),
        trigger("update", time(*when == When::Before), &format!("NEW.\"{column}\" IS DISTINCT FROM OLD.\"{column}\"")),
    ]
}
