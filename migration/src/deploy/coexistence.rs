//! Keeps the rights of the old service's logins while it works on an adopted database.
//!
//! The policies are not forced, so they do not apply to the table owner. Other logins have rights by grants, and
//! row-level security would show them no rows. One permissive policy per table therefore exempts every role that is not
//! ours. Rights stay unchanged. The triggers that fill in the tenant key read the parent with their owner's rights,
//! because a writer may lack the right to read it.
//!
//! Two indexes keep the old service's lists fast. Row-level security stops the planner from taking `status = 'PENDING'`
//! as a constant, since the comparison of an enumeration is not leakproof. An index of `(status, "createdAt")` then
//! gives no order, and one of the column of the order does.
//!
//! Like row-level security, this is a state and not an event: each deploy creates what is missing, and removes it once
//! the adoption is finished.

mod logins;

use std::borrow::Cow;

use rylie_driver::literal;

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::marker::{self, State};
use crate::migrations::Migration;
use crate::migrations::m20261123_000008_enable_row_level_security::TABLES;
use crate::migrations::m20261128_000086_keep_request_counts::recount;
use crate::options::Listener;
use crate::session::Migrations;
use crate::step::{Engine, Step, Target};

pub use logins::LoginRights;
pub(crate) use logins::{losing, read as logins};

/// Returns the names of the indexes that exist until the adoption is finished.
#[must_use]
pub fn coexistence_index_names() -> [&'static str; 2] {
    INDEXES.map(|(_, name, _)| name)
}

/// The migration that applies row-level security to the old service's logins.
pub(crate) const BINDS_LOGINS: &str = "m20261123_000008_enable_row_level_security";

/// The policy's name on each table.
pub(crate) const POLICY: &str = "rylie_coexistence";

/// The policy as the snapshot has it.
pub(crate) const DEFINITION: &str =
    "AS PERMISSIVE FOR ALL TO PUBLIC USING (rylie_is_foreign_role()) WITH CHECK (rylie_is_foreign_role())";

pub(crate) const FUNCTION: &str = "rylie_is_foreign_role()";

/// Returns whether the coexistence creates an object of this name on a table.
pub(crate) fn is_own(name: &str) -> bool {
    name == POLICY || INDEXES.iter().any(|(_, index, _)| *index == name)
}

/// Spelled as PostgreSQL prints it, so that the drift check can compare the text.
pub(crate) const CREATE_FUNCTION: &str = include_str!("coexistence/function.sql");

/// The trigger functions that read a parent's tenant.
pub(crate) const FILLING: [&str; 3] =
    ["rylie_tenant_from_request()", "rylie_tenant_from_user()", "rylie_tenant_of_auditlog()"];

/// The indexes for the old service's lists: table, name, column.
pub(crate) const INDEXES: [(&str, &str, &str); 2] =
    [("Request", "rylie_coexistence_request", "\"createdAt\""), ("Task", "rylie_coexistence_task", "\"dueDate\"")];

const HAS_POLICY: &str = "EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = to_regclass('public.\"$table\"') AND p.polname = 'rylie_coexistence' \
     AND p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}' AND pg_get_expr(p.polqual, p.polrelid) = 'rylie_is_foreign_role()' \
     AND pg_get_expr(p.polwithcheck, p.polrelid) = 'rylie_is_foreign_role()')";

/// Creates or removes the policies, as the environment marker says. Call it under the migration lock.
pub(crate) async fn settle(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    match unsettled(&mut migrations.connection).await? {
        Some(State::Coexistence) => migrations.run_again(&Open, progress).await,
        Some(State::Fresh) => {
            migrations.run_again(&Close { turn_back: true }, progress).await?;
            recount(&mut migrations.connection).await
        }
        None => Ok(()),
    }
}

/// Removes the policies without regard to the environment marker, since row-level security is about to be disabled. The
/// filling functions keep their owner's rights until they are dropped, so that a login that may only insert goes on.
pub(crate) async fn close(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    match migrations.engine() {
        Engine::Postgres => migrations.run_again(&Close { turn_back: false }, progress).await,
        Engine::Sqlite => Ok(()),
    }
}

/// Returns whether something must be created or removed, and this login may do so.
pub(crate) async fn can_be_settled(connection: &mut Connection) -> Result<bool> {
    let sql =
        "SELECT 'yes' FROM pg_class WHERE oid = to_regclass('public.\"User\"') AND pg_has_role(relowner, 'MEMBER')";
    let may = connection.ask_postgres(sql, "finding the owner of the tables").await?.is_some();
    Ok(may && unsettled(connection).await?.is_some())
}

/// Returns the state in the environment marker if the tables do not match it.
async fn unsettled(connection: &mut Connection) -> Result<Option<State>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(None);
    }
    let Some(mark) = marker::read(connection).await? else { return Ok(None) };
    let (open, other) = match mark.state {
        State::Coexistence => (is_open(), "NOT prosecdef"),
        State::Fresh => (format!("NOT ({})", is_there()), "prosecdef"),
    };
    let filling = FILLING.map(|function| format!("to_regprocedure('public.{function}')")).join(", ");
    let sql = format!(
        "SELECT 'yes' WHERE NOT ({open}) OR EXISTS (SELECT FROM pg_proc WHERE oid IN ({filling}) AND {other} AND pg_has_role(proowner, 'MEMBER'))"
    );
    let unsettled = connection.ask(&sql, "checking the policies for the old service's logins").await?;
    Ok(unsettled.map(|_| mark.state))
}

/// Builds the condition that every table has the policy, and that its function is this version's and open to all.
fn is_open() -> String {
    let policies = TABLES.map(|table| HAS_POLICY.replace("$table", table)).join(" AND ");
    let function = literal(CREATE_FUNCTION);
    let indexes = INDEXES.map(|(_, name, _)| {
        format!("EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass('public.{name}') AND i.indisvalid)")
    });
    let indexes = indexes.join(" AND ");
    format!(
        "coalesce(has_function_privilege('public', to_regprocedure('public.{FUNCTION}'), 'EXECUTE'), false) \
         AND pg_get_functiondef(to_regprocedure('public.{FUNCTION}')) = {function} AND {policies} AND {indexes}"
    )
}

fn is_there() -> String {
    let indexes = INDEXES.map(|(_, name, _)| format!(" OR to_regclass('public.{name}') IS NOT NULL")).concat();
    format!(
        "to_regprocedure('public.{FUNCTION}') IS NOT NULL OR EXISTS (SELECT FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND p.polname = '{POLICY}'){indexes}"
    )
}

impl Migrations {
    /// Fails while a login that would lose rows has an open session ([`Refusal::OpenSessions`]). Reads only;
    /// PostgreSQL.
    pub async fn refuse_open_sessions(&mut self) -> Result<()> {
        let connection = &mut self.connection;
        let losing: Vec<String> = losing(connection).await?.into_iter().map(|login| login.login).collect();
        if losing.is_empty() {
            return Ok(());
        }
        let sql = "SELECT usename::text || ' (' || count(*) || ')' FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND usename IS NOT NULL AND usename = ANY (string_to_array($1, E'\\n')) GROUP BY usename ORDER BY 1";
        let sql = format!("SELECT string_agg(found, ', ') FROM ({sql}) AS open (found)");
        let open =
            connection.text(&sql, &losing.join("\n")).await.map_err(Error::doing("looking for open sessions"))?;
        open.map_or(Ok(()), |logins| Err(Refusal::OpenSessions { logins }.into()))
    }
}

/// Steps that run when the state changes. They are not in the list of migrations and never recorded.
struct Open;

impl Migration for Open {
    fn name(&self) -> &'static str {
        "coexistence with the old service"
    }

    fn up(&self, _: Engine) -> Vec<Step> {
        let function =
            [Cow::Borrowed(CREATE_FUNCTION), format!("GRANT EXECUTE ON FUNCTION public.{FUNCTION} TO PUBLIC").into()];
        let policies = TABLES.map(|table| {
            let found = HAS_POLICY.replace("$table", table);
            Cow::Owned(format!(
                "DO $$ BEGIN IF NOT {found} THEN DROP POLICY IF EXISTS {POLICY} ON public.\"{table}\"; \
                 CREATE POLICY {POLICY} ON public.\"{table}\" USING (public.{FUNCTION}) WITH CHECK (public.{FUNCTION}); END IF; END $$"
            ))
        });
        let indexes = INDEXES
            .map(|(table, name, column)| Step::index(Engine::Postgres, name, &format!("\"{table}\" ({column})")));
        let rest = function.into_iter().chain(policies).map(Step::sql).chain([filling("SECURITY DEFINER")]);
        indexes.into_iter().chain(rest).collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        Close { turn_back: true }.up(engine)
    }
}

struct Close {
    /// Whether the filling functions run with their caller's rights again.
    turn_back: bool,
}

impl Migration for Close {
    fn name(&self) -> &'static str {
        "end of the coexistence with the old service"
    }

    fn up(&self, _: Engine) -> Vec<Step> {
        let policies = TABLES.map(|table| {
            Step::sql(format!(
                "DO $$ BEGIN IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = to_regclass('public.\"{table}\"') AND p.polname = '{POLICY}') \
                 THEN DROP POLICY {POLICY} ON public.\"{table}\"; END IF; END $$"
            ))
        });
        let function = Step::sql(format!("DROP FUNCTION IF EXISTS public.{FUNCTION}"));
        let invoker = self.turn_back.then(|| filling("SECURITY INVOKER"));
        let indexes = INDEXES.map(|(_, name, _)| Step::drop_index(Engine::Postgres, name));
        policies.into_iter().chain([function]).chain(invoker).chain(indexes).collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        Open.up(engine)
    }
}

/// Skips functions of other roles, which the deploy may not alter.
fn filling(security: &str) -> Step {
    let each = FILLING.map(|function| {
        format!(
            "IF EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('public.{function}') AND pg_has_role(proowner, 'USAGE')) THEN \
             ALTER FUNCTION public.{function} {security}; END IF;"
        )
    });
    Step::sql(format!("DO $$ BEGIN {} END $$", each.join(" ")))
}
