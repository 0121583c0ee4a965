//! Attacks on tenant isolation in a restored copy, by SQL in the tenant's role: what the policies must refuse there too.

use rylie_driver::literal;
use sqlx::{AssertSqlSafe, PgConnection};

use super::check::BackupCheck;
use crate::engine::run_postgres;

const CHECK: &str = "attacks";

/// Every table with a tenant key outside the system's schemas, whether policies apply to it, and whether the tenant's role
/// has any right on it.
const TABLES: &str = "SELECT c.oid::regclass::text, c.relrowsecurity, \
       has_table_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') \
         OR has_any_column_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId' AND NOT a.attisdropped) \
     ORDER BY 1";

/// The tenant with the most rows, and a row of it.
const VICTIM: &str = "SELECT \"tenantId\"::text, to_jsonb(victim)::text FROM $ AS victim WHERE \"tenantId\" = \
     (SELECT \"tenantId\" FROM $ GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1) LIMIT 1";

/// Each attempt and its statement. `$` is the table, `:victim` and `:attacker` are tenants, `:row` is a row of the victim under
/// another id.
const ATTACKS: [(&str, &str); 5] = [
    ("reads another tenant's rows", "SELECT 1 FROM $ WHERE \"tenantId\" IS DISTINCT FROM :attacker"),
    ("reads rows by a lookup", "SELECT 1 FROM $ AS t WHERE strpos(t::text, :victim) > 0 AND \"tenantId\" = :victim"),
    (
        "changes another tenant's rows",
        "UPDATE $ SET \"tenantId\" = \"tenantId\" WHERE \"tenantId\" = :victim RETURNING 1",
    ),
    ("deletes another tenant's rows", "DELETE FROM $ WHERE \"tenantId\" = :victim RETURNING 1"),
    ("adds a row to another tenant", "INSERT INTO $ SELECT (jsonb_populate_record(NULL::$, :row)).* RETURNING 1"),
];

/// Without a tenant there is no row.
const OF_NOBODY: (&str, &str) = ("reads rows without a tenant", "SELECT 1 FROM $");

/// Attacks every table with a tenant key; each attempt is rolled back. One check.
pub(super) async fn attack(connection: &mut PgConnection) -> sqlx::Result<BackupCheck> {
    let sql = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_tenant')";
    if !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *connection).await? {
        return Ok(BackupCheck::not_checked(CHECK, "the scratch server has no role rylie_tenant"));
    }
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let (mut attempts, mut broken) = (0_u32, Vec::new());
    for (table, is_protected, is_reachable) in &tables {
        if *is_reachable && !is_protected {
            broken.push(format!("{table} has no row-level security, and the tenant's role has a right on it"));
        }
        let sql = VICTIM.replace('$', table);
        let victim: Option<(Option<String>, String)> =
            sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_optional(&mut *connection).await?;
        let (victim, row) = victim.map_or((None, String::new()), |(victim, row)| (victim, row));
        let victim = victim.unwrap_or_default();
        let attacker = if victim == "attacker" { "another" } else { "attacker" };
        let fill = |sql: &str| {
            let row = literal(&row);
            let row = format!("jsonb_set({row}::jsonb, '{{id}}', '\"attack\"', false)");
            let sql = sql.replace('$', table).replace(":attacker", &literal(attacker));
            sql.replace(":victim", &literal(&victim)).replace(":row", &row)
        };
        for (tenant, (name, sql)) in ATTACKS.iter().map(|attack| (attacker, attack)).chain([("", &OF_NOBODY)]) {
            if victim.is_empty() && sql.contains(":row") {
                continue;
            }
            attempts += 1;
            if !holds(connection, tenant, &fill(sql)).await? {
                broken.push(format!("the tenant's role {name} in {table}"));
            }
        }
    }
    Ok(match broken.first() {
        Some(first) => BackupCheck::failed(CHECK, format!("{first} ({} of {attempts} attacks)", broken.len())),
        None => BackupCheck::ok(CHECK, format!("{attempts} attacks on {} tables were refused", tables.len())),
    })
}

/// Whether a statement in the tenant's role gets no row. An error refuses it, but for a unique value that is taken: the
/// policy had let that row pass.
async fn holds(connection: &mut PgConnection, tenant: &str, sql: &str) -> sqlx::Result<bool> {
    let tenant = literal(tenant);
    let begin = format!(
        "BEGIN; SET LOCAL statement_timeout = '30s'; SELECT set_config('rylie.tenant', {tenant}, true); \
         SET LOCAL ROLE rylie_tenant"
    );
    run_postgres(connection, &begin).await?;
    let sql = AssertSqlSafe(sql.to_owned());
    let answer = sqlx::query(sql).persistent(false).fetch_all(&mut *connection).await;
    run_postgres(connection, "ROLLBACK").await?;
    match answer {
        Ok(rows) => Ok(rows.is_empty()),
        Err(sqlx::Error::Database(error)) => Ok(error.code().as_deref() != Some("23505")),
        Err(error) => Err(error),
    }
}
