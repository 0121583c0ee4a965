//! Reads the catalog of either engine: columns, keys, checks, indexes, policies and grants of one own table.

use rylie_db::entities::EntityColumn;
use rylie_db::own::NewTable;
use rylie_db::repositories::OwnTableInfo;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::keys::{self, Index, Key};
use super::{labels, schema};
use crate::{Error, Result, World};

const DOING: &str = "reading the catalog";

/// Returns what is missing of a table's protection, each part by its name.
pub(super) async fn problems(world: &World, table: &OwnTableInfo) -> Result<Vec<String>> {
    let found = if world.is_postgres() { postgres(world, table).await? } else { sqlite(world, table).await? };
    let mut missing = found.missing;
    missing.extend(keys::missing(table, schema(world), &found.keys));
    missing.extend(keys::unlinked(table, schema(world), &found.keys, &found.indexes));
    missing.extend(labels::differing(table, &found.checks));
    if let Some(described) = schema(world).described(table.name) {
        missing.extend(undeclared(table, &described));
        // On PostgreSQL the rights are compared.
        if !world.is_postgres() && table.append_only != described.is_append_only() {
            let (of, other) = if table.append_only { ("migration", "entity") } else { ("entity", "migration") };
            missing.push(format!("missing `append_only` in the {of}: the {other} has it"));
        }
    }
    let order = format!("tenantId,{}", table.order.join(","));
    let sorted = |(columns, _): &Index| *columns == order || columns.starts_with(&format!("{order},"));
    if !found.indexes.iter().any(sorted) {
        let columns: Vec<_> = table.order.iter().map(|column| format!("\"{column}\"")).collect();
        missing.push(format!(
            "missing an index by {order}, the order of its lists: `.index(&[{}])` in the migration",
            columns.join(", ")
        ));
    }
    Ok(missing)
}

/// The parts of a table that were found.
struct Found {
    missing: Vec<String>,
    indexes: Vec<Index>,
    keys: Vec<Key>,
    /// The checks of columns, each with its definition.
    checks: Vec<(String, String)>,
}

/// Each statement returns the names of what is missing. `$1` is the table.
const POSTGRES: [&str; 9] = [
    "SELECT 'the table' WHERE to_regclass(format('public.%I', $1::text)) IS NULL",
    "SELECT 'the tenant key: \"tenantId\" text NOT NULL' WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(format('public.%I', $1::text)) \
     AND attname = 'tenantId' AND attnotnull AND atttypid = 'text'::regtype)",
    "SELECT 'the check that the tenant key is not empty' WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(format('public.%I', $1::text)) \
     AND contype = 'c' AND conname = $1::text || '_tenantId_check')",
    "SELECT 'an index that begins with the tenant' WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid \
     AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass(format('public.%I', $1::text)) AND a.attname = 'tenantId' AND i.indisvalid)",
    // A key to a user may be plain, with a trigger that hides the users of other tenants.
    "SELECT 'the tenant in the foreign key ' || conname FROM pg_constraint c WHERE c.conrelid = to_regclass(format('public.%I', $1::text)) AND c.contype = 'f' \
     AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) AND a.attname = 'tenantId') \
     AND NOT (c.confrelid = to_regclass('public.\"User\"') AND 2 = (SELECT count(*) FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = c.conrelid \
     AND a.attnum = c.conkey[1] WHERE t.tgrelid = c.conrelid AND t.tgname IN ('Parent_' || a.attname || '_visible_insert', 'Parent_' || a.attname || '_visible_update')))",
    "SELECT 'the policy ' || role FROM unnest(ARRAY['rylie_tenant', 'rylie_platform']) AS role WHERE NOT EXISTS (SELECT FROM pg_policy p \
     WHERE p.polrelid = to_regclass(format('public.%I', $1::text)) AND p.polname = role AND p.polpermissive AND p.polcmd = '*')",
    "SELECT 'the policies in force, also for the owner' FROM pg_class WHERE oid = to_regclass(format('public.%I', $1::text)) AND NOT (relrowsecurity AND relforcerowsecurity)",
    "SELECT 'the grant of ' || privilege || ' to ' || role FROM unnest(ARRAY['rylie_tenant', 'rylie_platform']) AS role, unnest(ARRAY['SELECT', 'INSERT']) AS privilege \
     WHERE NOT has_table_privilege(role, to_regclass(format('public.%I', $1::text)), privilege)",
    "SELECT 'the function by which rows are read by id' WHERE to_regprocedure(format('public.own_%s_by_id(text, text[])', lower($1::text))) IS NULL",
];

const SQLITE: [&str; 5] = [
    "SELECT 'the table' WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)",
    "SELECT 'the tenant key: \"tenantId\" TEXT NOT NULL' WHERE NOT EXISTS (SELECT 1 FROM pragma_table_info($1) WHERE name = 'tenantId' AND \"notnull\")",
    "SELECT 'the check that the tenant key is not empty' WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = $1 AND sql LIKE '%_tenantId_check\" CHECK%')",
    "SELECT 'an index that begins with the tenant' WHERE NOT EXISTS (SELECT 1 FROM pragma_index_list($1) l, pragma_index_info(l.name) i \
     WHERE i.seqno = 0 AND i.name = 'tenantId')",
    "SELECT 'the tenant in the foreign key of ' || min(f.\"from\") FROM pragma_foreign_key_list($1) f GROUP BY f.id HAVING sum(f.\"from\" = 'tenantId') = 0 \
     AND NOT (min(f.\"table\") = 'User' AND 2 = (SELECT count(*) FROM sqlite_schema s WHERE s.type = 'trigger' AND s.tbl_name = $1 \
     AND s.name IN ($1 || '_' || min(f.\"from\") || '_visible_insert', $1 || '_' || min(f.\"from\") || '_visible_update')))",
];

/// As above, for a table whose rows change (`$2`), or are only added.
const RIGHTS: &str = "SELECT CASE WHEN $2 THEN 'the grant of ' || privilege || ' to rylie_tenant' \
     ELSE 'the refusal of ' || privilege || ' by tenant units: the entity is `append_only`, its migration is not' END \
     FROM unnest(ARRAY['UPDATE', 'DELETE']) AS privilege \
     WHERE has_table_privilege('rylie_tenant', to_regclass(format('public.%I', $1::text)), privilege) <> $2";

async fn postgres(world: &World, table: &OwnTableInfo) -> Result<Found> {
    let entity = &table.entity;
    let mut connection = PgConnection::connect(world.url()).await.map_err(Error::sql(DOING))?;
    let mut missing = Vec::new();
    for sql in POSTGRES {
        let parts = sqlx::query_scalar(AssertSqlSafe(sql)).bind(&entity.name).fetch_all(&mut connection).await;
        missing.extend(named(parts.map_err(Error::sql(DOING))?));
    }
    let rights =
        sqlx::query_scalar(RIGHTS).bind(&entity.name).bind(!table.append_only).fetch_all(&mut connection).await;
    missing.extend(named(rights.map_err(Error::sql(DOING))?));
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull, atthasdef FROM pg_attribute \
         WHERE attrelid = to_regclass(format('public.%I', $1::text)) AND attnum > 0 AND NOT attisdropped";
    let columns = sqlx::query_as(sql).bind(&entity.name).fetch_all(&mut connection).await.map_err(Error::sql(DOING))?;
    missing.extend(differing(table, &columns, |column| &column.kind));
    let sql = "SELECT string_agg(a.attname, ',' ORDER BY k.place) AS columns, i.indisunique AS is_unique FROM pg_index i \
         CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
         WHERE i.indrelid = to_regclass(format('public.%I', $1::text)) AND i.indisvalid AND i.indpred IS NULL GROUP BY i.indexrelid";
    let indexes = sqlx::query_as(sql).bind(&entity.name).fetch_all(&mut connection).await.map_err(Error::sql(DOING))?;
    let keys = sqlx::query_as(keys::POSTGRES).bind(&entity.name).fetch_all(&mut connection).await;
    let sql = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE conrelid = to_regclass(format('public.%I', $1::text)) AND contype = 'c'";
    let checks = sqlx::query_as(sql).bind(&entity.name).fetch_all(&mut connection).await.map_err(Error::sql(DOING))?;
    Ok(Found { missing, indexes, keys: keys.map_err(Error::sql(DOING))?, checks })
}

async fn sqlite(world: &World, table: &OwnTableInfo) -> Result<Found> {
    let entity = &table.entity;
    let mut connection = SqliteConnection::connect(world.url()).await.map_err(Error::sql(DOING))?;
    let mut missing = Vec::new();
    for sql in SQLITE {
        let parts = sqlx::query_scalar(AssertSqlSafe(sql)).bind(&entity.name).fetch_all(&mut connection).await;
        missing.extend(named(parts.map_err(Error::sql(DOING))?));
    }
    let sql = "SELECT name, type, NOT \"notnull\", dflt_value IS NOT NULL FROM pragma_table_info($1)";
    let columns = sqlx::query_as(sql).bind(&entity.name).fetch_all(&mut connection).await.map_err(Error::sql(DOING))?;
    missing.extend(differing(table, &columns, |column| &column.sqlite_kind));
    let sql = "SELECT group_concat(name, ',') AS columns, max(is_unique) AS is_unique FROM (SELECT l.name AS of_index, i.name, \
         l.\"unique\" AS is_unique FROM pragma_index_list($1) l, pragma_index_info(l.name) i WHERE NOT l.partial \
         ORDER BY l.name, i.seqno) GROUP BY of_index";
    let indexes = sqlx::query_as(sql).bind(&entity.name).fetch_all(&mut connection).await.map_err(Error::sql(DOING))?;
    let keys = sqlx::query_as(keys::SQLITE).bind(&entity.name).fetch_all(&mut connection).await;
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1";
    let text: Option<String> =
        sqlx::query_scalar(sql).bind(&entity.name).fetch_optional(&mut connection).await.map_err(Error::sql(DOING))?;
    let checks = labels::checks_in(&text.unwrap_or_default());
    Ok(Found { missing, indexes, keys: keys.map_err(Error::sql(DOING))?, checks })
}

/// Compares the attributes of the entity with the migrations.
fn undeclared(table: &OwnTableInfo, described: &NewTable) -> impl Iterator<Item = String> {
    let soft = (table.soft_delete && !described.has_soft_delete())
        .then(|| "missing `soft_delete` in the migration: the entity has it".to_owned());
    let owner = described.followed_user().filter(|user| table.owner != Some(user));
    let owner = owner.map(|user| format!("missing `owner` in the entity: its rows belong to the user in {user}"));
    soft.into_iter().chain(owner)
}

fn named(parts: Vec<String>) -> impl Iterator<Item = String> {
    parts.into_iter().map(|part| format!("missing {part}"))
}

/// Compares the entity's columns with those of the table: name, type, whether null is allowed, soft delete.
fn differing(
    table: &OwnTableInfo,
    columns: &[(String, String, bool, bool)],
    kind: impl Fn(&EntityColumn) -> &String,
) -> Vec<String> {
    let mut found = Vec::new();
    let has = |name: &str| columns.iter().any(|(column, ..)| column == name);
    if !table.soft_delete && has("deleted") && has("deletedAt") {
        found.push("missing `soft_delete` in the entity: the table has its columns".to_owned());
    }
    let in_entity = |name: &str| table.entity.columns.iter().any(|column| column.name == name);
    for (name, _, optional, default) in columns {
        if !optional && !default && !in_entity(name) {
            found.push(format!("missing {name} in the entity: the table requires it"));
        }
    }
    for wanted in &table.entity.columns {
        match columns.iter().find(|(name, ..)| *name == wanted.name) {
            None => found.push(format!("missing the column {}", wanted.name)),
            Some((_, live, nullable, _)) if live != kind(wanted) || *nullable != wanted.nullable => {
                found.push(format!(
                    "the column {} is {live}{}, and the entity has {}{}",
                    wanted.name,
                    null(*nullable),
                    kind(wanted),
                    null(wanted.nullable)
                ));
            }
            Some(_) => {}
        }
    }
    found
}

fn null(nullable: bool) -> &'static str {
    if nullable { " or null" } else { "" }
}
