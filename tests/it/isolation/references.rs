//! To the tenant role, users and requests of another tenant are indistinguishable from missing ones.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::protected;
use crate::support::raw::Raw;

/// Runs a statement, and returns every field of the server's error.
async fn reported(connection: &mut PgConnection, tenant: &str, sql: &str) -> Result<(), Vec<Option<String>>> {
    let begin = format!("BEGIN; SET LOCAL ROLE rylie_tenant; SELECT set_config('rylie.tenant', '{tenant}', true)");
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await.unwrap();
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await;
    sqlx::raw_sql("ROLLBACK").execute(connection).await.unwrap();
    let Err(error) = outcome else { return Ok(()) };
    let error = error.into_database_error().unwrap();
    let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    let text = |text: Option<&str>| text.map(str::to_owned);
    Err(vec![
        text(Some(error.code())),
        text(Some(error.message())),
        text(error.detail()),
        text(error.hint()),
        text(error.schema()),
        text(error.table()),
        text(error.column()),
        text(error.constraint()),
        text(error.r#where()),
        text(error.routine()),
    ])
}

const NOW: &str = "'2026-01-01'";

/// Statements with `$user` and `$request` as parents; all other values are the tenant's own.
fn statements() -> Vec<(&'static str, String)> {
    let request = format!(
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", \"tenantId\") \
         VALUES ('new', '$user', 'a1', 't', 'd', 'x', {NOW}, 'a1')"
    );
    let task = |user: &str, request: &str| {
        format!(
            "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\", \"tenantId\") \
             VALUES ('new', '{user}', '{request}', 't', 'PAGE', {NOW}, 'a1')"
        )
    };
    let connection = |rest: &str| {
        format!(
            "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\", \"tenantId\") \
             VALUES ('new', '$user', 't', {NOW}, 'a1'){rest}"
        )
    };
    let mut statements = vec![
        ("user", request.clone()),
        ("user", request.replace(", \"tenantId\")", ")").replace(", 'a1')", ")")),
        ("user", format!("{request} ON CONFLICT (id) DO UPDATE SET \"userId\" = '$user'")),
        ("user", request.replace("'new'", "'r-ann'") + " ON CONFLICT (id) DO UPDATE SET \"userId\" = '$user'"),
        ("user", "UPDATE \"Request\" SET \"userId\" = '$user'".to_owned()),
        ("user", "UPDATE \"Request\" SET \"userId\" = '$user', \"tenantId\" = 'a1', \"agencyId\" = 'a1'".to_owned()),
        (
            "user",
            format!(
                "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
                 SELECT 'n' || n, u, 'a1', 't', 'd', 'x', {NOW} FROM UNNEST(ARRAY['ann', '$user', 'ann']) WITH ORDINALITY AS a(u, n)"
            ),
        ),
        ("user", format!("WITH added AS ({request} RETURNING id) SELECT * FROM added")),
        (
            "user",
            "MERGE INTO \"Request\" r USING (SELECT 'r-ann' AS id) s ON r.id = s.id WHEN MATCHED THEN UPDATE SET \"userId\" = '$user'"
                .to_owned(),
        ),
        ("user", format!("SET CONSTRAINTS ALL DEFERRED; {request}")),
        ("user", task("$user", "r-ann")),
        ("user", "UPDATE \"Task\" SET \"userId\" = '$user'".to_owned()),
        ("request", task("ann", "$request")),
        ("request", "UPDATE \"Task\" SET \"requestId\" = '$request', \"tenantId\" = 'a1'".to_owned()),
        (
            "request",
            format!(
                "INSERT INTO \"SEOWorksTaskMapping\" (id, \"requestId\", \"seoworksTaskId\", \"taskType\", \"updatedAt\", \"tenantId\") \
                 VALUES ('new', '$request', 'new', 'x', {NOW}, 'a1')"
            ),
        ),
        ("user", connection("")),
        ("user", connection(" ON CONFLICT DO NOTHING")),
        ("user", connection(" ON CONFLICT (\"userId\") DO UPDATE SET \"accessToken\" = 'mine'")),
        ("user", "UPDATE \"GA4Connection\" SET \"userId\" = '$user'".to_owned()),
        (
            "user",
            format!("INSERT INTO \"UserPreferences\" (id, \"userId\", \"updatedAt\", \"tenantId\") VALUES ('new', '$user', {NOW}, 'a1')"),
        ),
        (
            "user",
            format!(
                "INSERT INTO \"SearchConsoleConnection\" (id, \"userId\", \"accessToken\", \"updatedAt\", \"tenantId\") \
                 VALUES ('new', '$user', 't', {NOW}, 'a1')"
            ),
        ),
        (
            "user",
            "INSERT INTO \"MonthlyUsage\" (id, \"userId\", month, year, \"packageType\", \"pagesUsed\", \"blogsUsed\", \
             \"gbpPostsUsed\", \"improvementsUsed\", \"tenantId\") VALUES ('new', '$user', 1, 2026, 'GOLD', 1, 1, 1, 1, 'a1')"
                .to_owned(),
        ),
        (
            "user",
            format!(
                "INSERT INTO \"UsageEvent\" (id, \"userId\", key, kind, \"countedAt\", \"tenantId\") \
                 VALUES ('new', '$user', 'k', 'PAGE', {NOW}, 'a1')"
            ),
        ),
    ];
    statements.push(("user", request.replace("'$user'", "(SELECT '$user')")));
    statements
}

/// Bob belongs to `a2`; `nobody` does not exist.
#[tokio::test]
async fn a_hidden_parent_cannot_be_distinguished_from_a_missing_one() {
    let (database, _raw) = protected().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for (parent, sql) in statements() {
        let (hidden, missing) = if parent == "user" { ("bob", "nobody") } else { ("r-bob", "r-nobody") };
        let placeholder = format!("${parent}");
        let hidden = reported(&mut connection, "a1", &sql.replace(&placeholder, hidden)).await;
        let missing = reported(&mut connection, "a1", &sql.replace(&placeholder, missing)).await;

        let error = hidden.as_ref().expect_err(&sql);
        assert!(["23503", "42501"].contains(&error[0].as_deref().unwrap()), "{sql}: {error:?}");
        assert_eq!(hidden, missing, "{sql}");
        let own = if parent == "user" { "ann" } else { "r-ann" };
        let own = reported(&mut connection, "a1", &sql.replace(&placeholder, own)).await;
        // Ann has her one connection, and her month.
        let taken = |error: &Vec<Option<String>>| error[0].as_deref() == Some("23505");
        assert!(own.is_ok() || own.as_ref().is_err_and(taken), "{sql}: {own:?}");
    }
}

/// The old service has no tenants: it may reference any user.
#[tokio::test]
async fn the_owner_and_the_platform_move_users_and_link_as_before() {
    let (_database, mut raw) = protected().await;
    for table in super::TABLES {
        raw.run(&format!("ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY")).await;
    }
    raw.run("UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann'").await;
    raw.run("UPDATE \"Request\" SET title = 'still' WHERE id = 'r-ann'").await;
    raw.run("UPDATE \"User\" SET id = 'anna' WHERE id = 'ann'").await;

    let kept = raw.rows("SELECT \"userId\" || ' ' || \"tenantId\" FROM \"Request\" WHERE id = 'r-ann'").await;
    assert_eq!(kept.unwrap(), ["anna a1"]);
    let link = "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
                VALUES ('l', 'anna', 'a1', 't', 'd', 'x', now()) RETURNING id";
    assert_eq!(raw.as_role("rylie_platform", "SELECT 1", link).await.unwrap(), ["l"]);
}

/// The request stays in its agency, which continues to work on it and adds tasks for its user.
#[tokio::test]
async fn a_request_whose_user_has_moved_is_worked_on() {
    let (_database, mut raw) = protected().await;
    raw.run("UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann'").await;

    let update = "UPDATE \"Request\" SET status = 'COMPLETED', \"userId\" = \"userId\" RETURNING id";
    assert_eq!(raw.as_tenant("a1", update).await.unwrap(), ["r-ann"]);
    let task = |request: &str| {
        format!(
            "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\", \"tenantId\") \
             VALUES ('new', 'ann', '{request}', 't', 'PAGE', now(), 'a1') RETURNING id"
        )
    };
    assert_eq!(raw.as_tenant("a1", &task("r-ann")).await.unwrap(), ["new"]);
    // The former agency cannot add a new request for this user.
    let request = "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
                   VALUES ('l', 'ann', 'a1', 't', 'd', 'x', now())";
    assert_eq!(raw.as_tenant("a1", request).await, Err("23503".to_owned()));
}

/// A statement may also add the parent, in any order.
#[tokio::test]
async fn a_parent_may_be_added_by_the_same_statement() {
    let (_database, mut raw) = protected().await;
    let both = "WITH parent AS (INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", \"tenantId\") \
                VALUES ('p', 'ann', 'a1', 't', 'd', 'x', now(), 'a1')), \
                child AS (INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\", \"tenantId\") \
                VALUES ('c', 'ann', 'p', 't', 'PAGE', now(), 'a1')) SELECT 'done'";

    assert_eq!(raw.as_tenant("a1", both).await.unwrap(), ["done"]);
}

/// Every foreign key of a table that the tenant role may write is guarded against revealing another tenant.
#[tokio::test]
async fn every_foreign_key_of_a_tenants_table_is_guarded() {
    let (_database, mut raw) = protected().await;

    assert_eq!(unguarded_keys(&mut raw).await, Vec::<String>::new());
    raw.run("DROP TRIGGER \"Parent_userId_visible_update\" ON \"Task\"").await;
    raw.run("CREATE TABLE \"Planted\" (\"tenantId\" text, \"userId\" text REFERENCES \"User\"(id))").await;

    assert_eq!(unguarded_keys(&mut raw).await, ["Planted.Planted_userId_fkey", "Task.Task_userId_fkey"]);
}

/// Foreign keys that reveal nothing, with the reason.
const HARMLESS_KEYS: [(&str, &str); 2] = [
    ("User_agencyId_fkey", "the tenant is the agency: the policy refuses another one before the key is checked"),
    ("Request_agencyId_fkey", "likewise"),
];

async fn unguarded_keys(raw: &mut Raw) -> Vec<String> {
    let harmless = HARMLESS_KEYS.map(|(key, _)| format!("'{key}'")).join(", ");
    // For each event an enabled trigger on the key's first column, whose function runs with the writer's rights.
    let sql = format!(
        "SELECT c.relname || '.' || k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
         JOIN pg_attribute first ON first.attrelid = c.oid AND first.attnum = k.conkey[1] \
         WHERE k.contype = 'f' AND k.conname NOT IN ({harmless}) \
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId') \
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attname = 'tenantId') \
         AND 2 <> (SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND t.tgenabled = 'O' \
           AND t.tgname IN ('Parent_' || first.attname || '_visible_insert', 'Parent_' || first.attname || '_visible_update') \
           AND NOT p.prosecdef AND p.proname LIKE 'rylie\\_visible\\_%') ORDER BY 1"
    );
    raw.rows(&sql).await.unwrap()
}

/// Unique indexes in which the tenant role may conflict with another tenant's row, with the reason why that is
/// accepted.
const KNOWN_UNIQUE: [(&str, &str); 7] = [
    ("Agency_domain_key", "a domain is public, and one agency's on the whole platform"),
    ("User_email_key", "an address signs in, and is one user's on the whole platform"),
    ("User_apiKey_key", "a key's hash: whoever can compute it has the key"),
    ("User_apiKeyIndex_key", "likewise"),
    ("SEOWorksTaskMapping_seoworksTaskId_key", "a task at SEOWorks is one on the whole platform"),
    ("UsageEvent_countedIn_key_key", "of the tenant in which it was counted, which a trigger keeps from being forged"),
    ("UsageEvent_userId_key_key", "of a user, and who names a hidden one is refused before"),
];

#[tokio::test]
async fn every_unique_index_that_spans_tenants_is_known() {
    let (_database, mut raw) = protected().await;
    let known = KNOWN_UNIQUE.map(|(index, _)| format!("'{index}'")).join(", ");
    // Ids are random. An index on a guarded column is checked after its trigger.
    let sql = format!(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
         JOIN pg_attribute first ON first.attrelid = c.oid AND first.attnum = i.indkey[0] \
         WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace \
         AND has_any_column_privilege('rylie_tenant', c.oid, 'INSERT, UPDATE') \
         AND first.attname NOT IN ('id', 'tenantId') AND i.indexrelid::regclass::text NOT IN (SELECT quote_ident(n) FROM unnest(ARRAY[{known}]) n) \
         AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 2 = 2 \
           AND t.tgname = 'Parent_' || first.attname || '_visible_insert') ORDER BY 1"
    );

    assert_eq!(raw.rows(&sql).await.unwrap(), Vec::<String>::new());
}
