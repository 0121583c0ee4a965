//! Logins with few rights.

use rylie_migration::{CheckStatus, RoleCheck};
use rylie_testkit::PostgresDatabase;
use sqlx::postgres::PgConnectOptions;

use super::raw::Raw;

/// Returns the URL as this login. The server asks for the password, which tests the verifier.
pub(crate) fn url_as(url: &str, login: &str) -> String {
    let options: PgConnectOptions = url.parse().unwrap();
    let host = options.get_host().replace('/', "%2F");
    format!("postgres://{login}:x@{host}:{}/{}", options.get_port(), options.get_database().unwrap())
}

/// Gives the database to a new role without further rights. Returns the URL of that role.
pub(crate) async fn give_away(database: &PostgresDatabase, raw: &mut Raw) -> String {
    let role = format!("{}_owner", database.name());
    raw.run(&format!("CREATE ROLE \"{role}\" LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\"")).await;
    let objects = "SELECT CASE relkind WHEN 'r' THEN 'TABLE ' ELSE 'SEQUENCE ' END || oid::regclass FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') \
         UNION ALL SELECT 'TYPE ' || oid::regtype FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e' \
         UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    for object in raw.rows(objects).await.unwrap() {
        raw.run(&format!("ALTER {object} OWNER TO \"{role}\"")).await;
    }
    database.url_as(&role)
}

/// Returns whether a check passes. Other tests' logins on the same server are expected.
pub(crate) fn in_order(check: &RoleCheck) -> bool {
    check.status == CheckStatus::Ok || check.id == "roles.elsewhere"
}
