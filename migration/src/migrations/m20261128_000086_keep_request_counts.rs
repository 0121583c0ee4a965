//! Keeps the number of each tenant's requests by status, so that the total of a long list is read from a few rows.
//!
//! On SQLite, triggers update one row per tenant and status. On PostgreSQL, each statement that writes requests adds its
//! changes as rows, in its own transaction. So the counts are exact in every snapshot, and no row is one that all
//! writers update. Some statements fold a tenant's rows into their sum. The triggers also fire for a session that
//! replays changes, so a bulk load cannot leave them out. They are created before the first count, which adds the
//! differences in one snapshot while writers go on.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::migrations::Migration;
use crate::migrations::tenant_table::protect;
use crate::step::{Engine, Step, Target, statements};

const COUNT_SQL: &str = include_str!("m20261128_000086_keep_request_counts/count.sql");
const RECOUNT_SQL: &str = include_str!("m20261128_000086_keep_request_counts/recount.sql");
const SQLITE: &str = include_str!("m20261128_000086_keep_request_counts/sqlite.sql");

const COUNT: &str = "public.rylie_count_requests()";
const RECOUNT: &str = "public.rylie_recount_requests()";

/// Excludes a second recount. In the order of a writer, so that none deadlocks with it.
const LOCKS: &str = "LOCK TABLE public.\"Request\" IN ACCESS SHARE MODE; \
     LOCK TABLE public.\"RequestCount\" IN SHARE UPDATE EXCLUSIVE MODE;";

/// The first count needs no lock, because nothing else can count yet.
const ONCE_COUNTED: &str = "IF to_regprocedure('public.rylie_recount_requests()') IS NOT NULL THEN \
     PERFORM public.rylie_recount_requests(); RETURN; END IF;";

/// The limits keep the sum of a tenant's false numbers within the range of its type.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"RequestCount\" (\"tenantId\" text NOT NULL, status \"RequestStatus\" NOT NULL, \
     id text NOT NULL DEFAULT gen_random_uuid()::text, requests bigint NOT NULL, \
     CONSTRAINT \"RequestCount_requests_check\" CHECK (requests BETWEEN -1000000000000 AND 1000000000000), CONSTRAINT \"RequestCount_pkey\" PRIMARY KEY (\"tenantId\", status, id) INCLUDE (requests))";

/// Nothing is updated, but locking a row requires that right.
const GRANTS: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON \"RequestCount\" TO rylie_tenant, rylie_platform;";

/// Each trigger: its event, and the rows that it sees.
const TRIGGERS: [(&str, &str); 4] = [
    ("insert", "REFERENCING NEW TABLE AS added"),
    ("update", "REFERENCING OLD TABLE AS removed NEW TABLE AS added"),
    ("delete", "REFERENCING OLD TABLE AS removed"),
    ("truncate", ""),
];

pub(crate) struct KeepRequestCounts;

impl Migration for KeepRequestCounts {
    fn name(&self) -> &'static str {
        "m20261128_000086_keep_request_counts"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        if engine == Engine::Sqlite {
            return statements(SQLITE);
        }
        // The table owner must own them, even if another role created one of that name before.
        let owned = |function| Step::sql(format!("ALTER FUNCTION {function} OWNER TO CURRENT_USER"));
        let mut steps = vec![Step::sql(TABLE), protect("RequestCount", GRANTS)];
        steps.extend(statements(COUNT_SQL));
        steps.push(owned(COUNT));
        for (event, rows) in TRIGGERS {
            let when = event.to_uppercase();
            steps.push(Step::sql(format!(
                "CREATE OR REPLACE TRIGGER \"Request_count_{event}\" AFTER {when} ON \"Request\" {rows} \
                 FOR EACH STATEMENT EXECUTE FUNCTION {COUNT}"
            )));
            steps.push(Step::sql(format!("ALTER TABLE \"Request\" ENABLE ALWAYS TRIGGER \"Request_count_{event}\"")));
        }
        // Services read the numbers once this function exists, so it follows the first count.
        let recount: String = RECOUNT_SQL.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let first_count = recount.replace("$first", ONCE_COUNTED).replace("$locks", "");
        let recount = recount.replace("$first", "").replace("$locks", LOCKS);
        steps.extend([
            Step::sql(format!("DO $$ {first_count} END $$")),
            Step::sql(format!(
                "CREATE OR REPLACE FUNCTION {RECOUNT} RETURNS bigint LANGUAGE plpgsql \
                 SET search_path = pg_catalog, public, pg_temp AS $$ {recount} RETURN corrected; END $$"
            )),
            owned(RECOUNT),
        ]);
        steps
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let on = if engine == Engine::Postgres { " ON \"Request\"" } else { "" };
        let triggers =
            TRIGGERS.map(|(event, _)| Step::sql(format!("DROP TRIGGER IF EXISTS \"Request_count_{event}\"{on}")));
        let drop = |function| Step::sql(format!("DROP FUNCTION IF EXISTS {function}"));
        let table = Step::sql("DROP TABLE IF EXISTS \"RequestCount\"");
        if engine == Engine::Sqlite {
            return triggers.into_iter().chain([table]).collect();
        }
        [drop(RECOUNT)].into_iter().chain(triggers).chain([drop(COUNT), table]).collect()
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

/// Adds the differences between the kept counts and the table: while the old service shares the database, what its logins
/// write is not counted.
pub(crate) async fn recount(connection: &mut Connection) -> Result<()> {
    let sql = format!("DO $$ BEGIN IF to_regprocedure('{RECOUNT}') IS NOT NULL THEN PERFORM {RECOUNT}; END IF; END $$");
    connection.execute(&sql).await.map_err(Error::doing("counting the requests"))
}
