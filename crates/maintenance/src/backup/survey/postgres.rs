//! The survey on PostgreSQL.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{CHECKPOINT, Survey, public_keys, sealed_columns};
use crate::backup::manifest::Locale;
use crate::error::{Error, Result};

/// Settings on which the text of a row depends, and without which a policy would hide rows silently.
pub(crate) const TEXT_FORM: &str = "SET LOCAL row_security = off; SET LOCAL timezone = 'UTC'; \
     SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; \
     SET LOCAL bytea_output = 'hex'; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Tables with rows, but those of extensions and temporary ones.
const TABLES: &str = "SELECT c.oid::bigint, CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END::text, \
       format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid \
       AND a.attname = 'tenantId' AND NOT a.attisdropped), row_security_active(c.oid), has_table_privilege(c.oid, 'SELECT') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence::text = ANY($1) AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY 2";

const ROLES: &str = "SELECT r.rolname::text FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid \
     WHERE d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     UNION SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";

const EXTENSIONS: &str = "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";

const LOCALE: &str = "SELECT pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text \
     FROM pg_database WHERE datname = current_database()";

const LOG_POSITION: &str =
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text";

/// The tables of a backup: all but temporary ones.
pub(crate) const STORED: &[&str] = &["p", "u"];

/// The tables whose changes are in the WAL. A restored unlogged table is empty.
pub(crate) const LOGGED: &[&str] = &["p"];

/// A table and what this login may read of it.
pub(crate) struct Table {
    name: String,
    quoted: String,
    of_tenants: bool,
    filtered: bool,
    readable: bool,
}

/// The tables of these kinds with rows, by name.
pub(crate) async fn tables(connection: &mut PgConnection, kinds: &[&str]) -> sqlx::Result<Vec<Table>> {
    let rows: Vec<(i64, String, String, bool, bool, bool)> =
        sqlx::query_as(TABLES).bind(kinds).fetch_all(&mut *connection).await?;
    let table =
        |(_, name, quoted, of_tenants, filtered, readable)| Table { name, quoted, of_tenants, filtered, readable };
    Ok(rows.into_iter().map(table).collect())
}

/// Refuses a login that would see less than everything: its backup would be incomplete.
pub(crate) fn refuse_filtered(tables: &[Table]) -> Result<()> {
    let advice = "back up as a superuser, or as a login that `rylie roles provision --backup NAME` makes";
    let refused = |reason: String| Err(Error::BackupRefused { reason: format!("{reason}; {advice}") });
    if let Some(table) = tables.iter().find(|table| table.filtered) {
        return refused(format!("row-level security filters what this login reads of {}", table.name));
    }
    match tables.iter().find(|table| !table.readable) {
        Some(table) => refused(format!("this login may not read {}", table.name)),
        None => Ok(()),
    }
}

/// Reads every row of the tables of these kinds once. In the caller's transaction, with [`TEXT_FORM`].
pub(crate) async fn survey_postgres(connection: &mut PgConnection, kinds: &[&str]) -> sqlx::Result<Survey> {
    let mut survey = Survey::default();
    let tables = tables(connection, kinds).await?;
    for table in &tables {
        count(connection, table, &mut survey).await?;
    }
    let has = |name: &str| tables.iter().any(|table| table.name == name);
    if has("rylie_database") {
        let sql = "SELECT fingerprint::text FROM rylie_database";
        survey.fingerprint = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
    }
    if has("seaql_migrations") {
        let sql = "SELECT version::text FROM seaql_migrations ORDER BY 1";
        survey.migrations = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
    }
    if has("rylie_audit_batch") {
        survey.checkpoint = sqlx::query_scalar(CHECKPOINT).fetch_optional(&mut *connection).await?;
        let sql = public_keys("position(E'\\nkey ' in checkpoint)");
        survey.public_keys = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
    }
    survey.keys = keys(connection).await?;
    survey.roles = sqlx::query_scalar(ROLES).fetch_all(&mut *connection).await?;
    survey.extensions = sqlx::query_scalar(EXTENSIONS).fetch_all(&mut *connection).await?;
    let (encoding, collate, ctype) = sqlx::query_as(LOCALE).fetch_one(&mut *connection).await?;
    survey.locale = Some(Locale { encoding, collate, ctype });
    survey.log_position = sqlx::query_scalar(LOG_POSITION).fetch_one(&mut *connection).await?;
    Ok(survey)
}

/// Numbers and digest of one table, in one scan.
async fn count(connection: &mut PgConnection, table: &Table, survey: &mut Survey) -> sqlx::Result<()> {
    // A sum does not depend on the order of the rows.
    let digest = "coalesce(sum(('x' || encode(substr(sha256(convert_to(rylie_row::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint::numeric), 0)::text";
    let from = &table.quoted;
    let sql = if table.of_tenants {
        format!(
            "SELECT \"tenantId\"::text, grouping(\"tenantId\") = 1, count(*), {digest} FROM ONLY {from} AS rylie_row \
             GROUP BY GROUPING SETS ((\"tenantId\"), ())"
        )
    } else {
        format!("SELECT NULL::text, true, count(*), {digest} FROM ONLY {from} AS rylie_row")
    };
    let rows: Vec<(Option<String>, bool, i64, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(connection).await?;
    for (tenant, is_total, rows, digest) in rows {
        let rows = u64::try_from(rows).unwrap_or_default();
        if is_total {
            survey.rows.insert(table.name.clone(), rows);
            survey.contents.insert(table.name.clone(), digest);
        } else if let Some(tenant) = tenant {
            survey.tenants.entry(tenant).or_default().insert(table.name.clone(), rows);
        }
    }
    Ok(())
}

async fn keys(connection: &mut PgConnection) -> sqlx::Result<BTreeSet<String>> {
    let sql = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT a.attisdropped AND a.attnum > 0";
    let there: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut *connection).await?;
    let mut keys = BTreeSet::new();
    for (table, column) in sealed_columns() {
        if !there.iter().any(|(of, name)| of == table && name == column) {
            continue;
        }
        let sql = format!(
            "SELECT DISTINCT split_part(\"{column}\", '.', 2) FROM \"{table}\" \
             WHERE \"{column}\" LIKE 'rylie1.%.%' OR \"{column}\" LIKE 'ryidx1.%.%'"
        );
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
        keys.extend(found);
    }
    Ok(keys)
}
