//! Checks that the tables of the log are what a deploy makes. A view, a policy or a column of another type could show
//! other rows to a verification than to everyone else.

use rylie_audit::{Finding, Tampering};
use sea_orm::QueryResult;

use crate::Result;
use crate::audit::rows::lenient;
use crate::audit::shadows;
use crate::tx::Tx;

/// The tables with their columns, each with its kind of value.
const TABLES: [(&str, &[(&str, Kind)]); 5] = [
    (
        "AuditLog",
        &[
            ("id", Kind::Text),
            ("userId", Kind::Text),
            ("action", Kind::Text),
            ("resource", Kind::Text),
            ("resourceId", Kind::Text),
            ("details", Kind::Json),
            ("ipAddress", Kind::Text),
            ("userAgent", Kind::Text),
            ("createdAt", Kind::Time),
            ("tenantId", Kind::Text),
            ("position", Kind::Number),
            ("onBehalfOf", Kind::Text),
            ("correlationId", Kind::Text),
        ],
    ),
    (
        "rylie_audit_batch",
        &[
            ("batch", Kind::Number),
            ("sealed_at", Kind::Time),
            ("records", Kind::Number),
            ("total", Kind::Number),
            ("checkpoint", Kind::Text),
            ("removed_at", Kind::Time),
        ],
    ),
    (
        "rylie_audit_tenant",
        &[
            ("batch", Kind::Number),
            ("number", Kind::Number),
            ("tenant", Kind::Text),
            ("records", Kind::Number),
            ("total", Kind::Number),
            ("root", Kind::Bytes),
        ],
    ),
    (
        "rylie_audit_leaf",
        &[
            ("batch", Kind::Number),
            ("number", Kind::Number),
            ("tenant_number", Kind::Number),
            ("record_id", Kind::Text),
            ("leaf", Kind::Bytes),
            ("who_salt", Kind::Bytes),
            ("what_salt", Kind::Bytes),
            ("who", Kind::Bytes),
            ("what", Kind::Bytes),
        ],
    ),
    ("rylie_audit_pending", &[("position", Kind::Number), ("record_id", Kind::Text)]),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Json,
    Number,
    Time,
    Bytes,
}

impl Kind {
    /// Returns the types on PostgreSQL, as an array.
    fn types(self) -> &'static str {
        match self {
            Self::Text => "'{text,character varying}'",
            Self::Json => "'{jsonb}'",
            Self::Number => "'{bigint}'",
            // Only milliseconds are hashed.
            Self::Time => "'{timestamp(3) without time zone}'",
            Self::Bytes => "'{bytea}'",
        }
    }

    /// Returns the affinity on SQLite, by which it converts and compares values.
    fn affinity(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "TEXT",
            Self::Number => "INTEGER",
            Self::Time => "NUMERIC",
            Self::Bytes => "BLOB",
        }
    }
}

/// Selects each relation with the reason why it is not a table that is read as it is; null if there is none. A relation
/// that does not exist has the kind null.
///
/// A policy counts if it applies to the role that reads. That role must have one that lets it see every row, and none that
/// restricts it. A role that is exempt from policies needs none, and with `row_security = off` the server refuses to filter.
const RELATIONS: &str = "SELECT w.name, c.relkind IS NULL AS missing, CASE \
     WHEN c.relkind <> 'r' THEN 'it is a ' || CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' \
     WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' ELSE 'relation of another kind' END \
     WHEN c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid)) \
     THEN 'another table inherits from it, or it from another' \
     WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid) THEN 'a rule rewrites its statements' \
     WHEN is_filtered AND EXISTS (SELECT FROM acting p WHERE p.polrelid = c.oid AND NOT p.polpermissive) \
     THEN 'a policy of another hand filters what ' || quote_ident(current_user) || ' reads: ' || (SELECT string_agg(quote_ident(p.polname), ', ' \
     ORDER BY p.polname) FROM acting p WHERE p.polrelid = c.oid AND NOT p.polpermissive) \
     WHEN is_filtered AND NOT EXISTS (SELECT FROM acting p WHERE p.polrelid = c.oid AND p.polpermissive \
     AND pg_get_expr(p.polqual, p.polrelid) = 'true') THEN 'no policy lets ' || quote_ident(current_user) || ' read every row' END AS reason \
     FROM unnest(ARRAY[{names}]) AS w(name) LEFT JOIN pg_class c ON c.oid = to_regclass(format('public.%I', w.name)), \
     LATERAL (SELECT row_security_active(c.oid) AND current_setting('row_security') = 'on' AS is_filtered) AS f";

/// Selects the policies that apply to the role when it reads.
const ACTING: &str = "WITH acting AS (SELECT p.polrelid, p.polname, p.polpermissive, p.polqual FROM pg_policy p WHERE p.polcmd IN ('r', '*') \
     AND EXISTS (SELECT FROM unnest(p.polroles) AS r(role) WHERE r.role = 0 OR pg_has_role(current_user, r.role, 'USAGE')))";

/// Selects the first column of another type.
const COLUMNS: &str = "SELECT w.name, w.col, CASE WHEN a.attgenerated <> '' THEN 'generated' \
     ELSE coalesce(format_type(a.atttypid, a.atttypmod), 'missing') END AS is \
     FROM (VALUES {columns}) AS w(number, name, col, types) LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(format('public.%I', w.name)) \
     AND a.attname = w.col AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE a.attname IS NULL OR a.attgenerated <> '' OR format_type(a.atttypid, a.atttypmod) <> ALL (w.types::text[]) ORDER BY w.number LIMIT 1";

/// Returns the first finding. A database that has none of the tables of the seals is left to the reads that follow, unless
/// it is known that a log was `sealed`.
pub(crate) async fn check(tx: &Tx, sealed: bool) -> Result<Option<Finding>> {
    if tx.across_tenants()?.is_sqlite() {
        return on_sqlite(tx, sealed).await;
    }
    shadows::search(tx, shadows::OF_CHECKS).await?;
    let found = match shadows::first(tx).await? {
        None => on_postgres(tx, sealed).await?,
        Some(shadow) => {
            let reason = format!("the server would call {shadow} of schema public in place of its own");
            Some(hidden("the log", &reason))
        }
    };
    shadows::search(tx, shadows::OF_READS).await?;
    Ok(found)
}

async fn on_postgres(tx: &Tx, sealed: bool) -> Result<Option<Finding>> {
    let names: Vec<String> = TABLES.iter().map(|(name, _)| format!("'{name}'")).collect();
    // A statement that begins with another word counts as a write.
    let sql = format!("SELECT * FROM ({ACTING} {}) AS relations", RELATIONS.replace("{names}", &names.join(", ")));
    let found = tx.across_tenants()?.rows(&sql, vec![]).await?;
    let missing: Vec<String> =
        found.iter().filter(|row| lenient(row, "missing")).map(|row| lenient(row, "name")).collect();
    if !missing.is_empty() {
        // The undo of an adoption sets the seals aside; the reads that follow say that no log is here.
        const ASIDE: &str = "SELECT 1 AS found WHERE to_regclass('public.rylie_aside_batch') IS NOT NULL";
        let aside = sealed && !tx.across_tenants()?.rows(ASIDE, vec![]).await?.is_empty();
        return Ok(removed(&missing, sealed && !aside));
    }
    let hidden = |row: &QueryResult| {
        let reason = row.try_get::<Option<String>>("", "reason").ok().flatten()?;
        Some(hidden(&lenient::<String>(row, "name"), &reason))
    };
    if let Some(finding) = found.iter().find_map(hidden) {
        return Ok(Some(finding));
    }
    let columns = TABLES.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (table, column)));
    let columns: Vec<String> = columns
        .enumerate()
        .map(|(number, (table, (column, kind)))| format!("({number}, '{table}', '{column}', {})", kind.types()))
        .collect();
    let sql = COLUMNS.replace("{columns}", &columns.join(", "));
    let found = tx.across_tenants()?.rows(&sql, vec![]).await?;
    Ok(found.first().map(|row| {
        changed(&lenient::<String>(row, "name"), &lenient::<String>(row, "col"), &lenient::<String>(row, "is"))
    }))
}

async fn on_sqlite(tx: &Tx, sealed: bool) -> Result<Option<Finding>> {
    const OBJECTS: &str = "SELECT 'temporary ' || type AS kind FROM temp.sqlite_schema WHERE type IN ('table', 'view') AND name = $1 COLLATE NOCASE \
         UNION ALL SELECT CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual table' ELSE type END FROM main.sqlite_schema \
         WHERE type IN ('table', 'view') AND name = $1 COLLATE NOCASE";
    let (mut missing, mut kinds) = (Vec::new(), Vec::new());
    for (name, _) in TABLES {
        let found = tx.across_tenants()?.rows(OBJECTS, vec![name.into()]).await?;
        match found.first() {
            Some(row) => kinds.push((name, lenient::<String>(row, "kind"))),
            None => missing.push(name.to_owned()),
        }
    }
    if !missing.is_empty() {
        return Ok(removed(&missing, sealed));
    }
    if let Some((name, kind)) = kinds.iter().find(|(_, kind)| kind != "table") {
        return Ok(Some(hidden(name, &format!("it is a {kind}"))));
    }
    for (name, _) in TABLES {
        // It ends after a hundred messages, most of which are about values, which the reads check themselves.
        const CHECK: &str = "SELECT integrity_check AS message FROM pragma_integrity_check($1)";
        let found = tx.across_tenants()?.rows(CHECK, vec![name.into()]).await?;
        let messages: Vec<String> = found.iter().map(|row| lenient(row, "message")).collect();
        let of_index = messages.iter().find(|message| message.contains("index"));
        if let Some(message) = of_index.or(messages.get(99)) {
            return Ok(Some(hidden(name, &format!("an index differs from the table: {message}"))));
        }
    }
    for (name, columns) in TABLES {
        const XINFO: &str = "SELECT name, type, hidden FROM pragma_table_xinfo($1, 'main')";
        let found = tx.across_tenants()?.rows(XINFO, vec![name.into()]).await?;
        for (column, kind) in columns {
            let row = found.iter().find(|row| lenient::<String>(row, "name") == *column);
            let is = match row {
                None => "missing".to_owned(),
                Some(row) if lenient::<i64>(row, "hidden") != 0 => "generated".to_owned(),
                Some(row) => lenient(row, "type"),
            };
            if row.is_none() || is == "generated" || affinity(&is) != kind.affinity() {
                return Ok(Some(changed(name, column, &is)));
            }
        }
    }
    Ok(None)
}

/// Returns the affinity of a declared type, by the rules of SQLite.
fn affinity(declared: &str) -> &'static str {
    const PARTS: [(&str, &str); 8] = [
        ("INT", "INTEGER"),
        ("CHAR", "TEXT"),
        ("CLOB", "TEXT"),
        ("TEXT", "TEXT"),
        ("BLOB", "BLOB"),
        ("REAL", "REAL"),
        ("FLOA", "REAL"),
        ("DOUB", "REAL"),
    ];
    let declared = declared.to_ascii_uppercase();
    match PARTS.iter().find(|(part, _)| declared.contains(part)) {
        Some((_, affinity)) => affinity,
        None if declared.is_empty() => "BLOB",
        None => "NUMERIC",
    }
}

/// Returns the finding for missing tables; `None` if all tables of the seals are among them, unless a log is known and the
/// database has its records.
fn removed(missing: &[String], sealed: bool) -> Option<Finding> {
    let first = missing.first()?;
    let has_seals = TABLES.iter().skip(1).any(|(name, _)| !missing.iter().any(|missing| missing == name));
    let has_log = missing.iter().all(|missing| missing != "AuditLog");
    (has_seals || sealed && has_log)
        .then(|| Finding::of_table(Tampering::Removed, &format!("the table {first} is missing")))
}

fn hidden(table: &str, reason: &str) -> Finding {
    let detail = format!("{table} is not read as it is: {reason}; what a verification reads may differ from the log");
    Finding::of_table(Tampering::Hidden, &detail)
}

fn changed(table: &str, column: &str, is: &str) -> Finding {
    let detail = format!("the column {column} of {table} was altered: its type is not that of a deploy, but {is}");
    Finding::of_table(Tampering::Changed, &detail)
}

#[cfg(test)]
mod tests {
    use super::affinity;

    #[test]
    fn an_affinity_follows_from_the_declared_type() {
        for (declared, expected) in [
            ("TEXT", "TEXT"),
            ("JSON_TEXT", "TEXT"),
            ("bigint", "INTEGER"),
            ("CHARINT", "INTEGER"),
            ("TIMESTAMP", "NUMERIC"),
            ("", "BLOB"),
            ("double precision", "REAL"),
        ] {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }
}
