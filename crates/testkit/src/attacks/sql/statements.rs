//! Statements over several tables, foreign keys, and prepared statements.

use super::{Sides, tables};
use crate::Result;
use crate::attacks::catalog::ForeignKey;
use crate::attacks::log::{Log, Seen};
use crate::attacks::raw::{Answer, Raw, literal, name};

pub(super) async fn attack(raw: &mut Raw, sides: &Sides, log: &mut Log) -> Result<()> {
    log.note("joins and sub-selects see only own rows", joins(raw, sides).await);
    for key in super::super::catalog::foreign_keys(raw).await? {
        let name =
            format!("a foreign key is no oracle, and holds no row to another tenant's ({}.{})", key.table, key.column);
        log.note(name, foreign_keys(raw, &key, sides).await);
    }
    log.note("a prepared statement shows only rows of the current tenant", prepared(raw, sides).await);
    log.note("a tenant set for a transaction ends with it", ended(raw, sides).await);
    Ok(())
}

async fn joins(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let (victim, mut seen) = (literal(&sides.victim), Seen::default());
    for sql in [
        r#"SELECT 'x' FROM "Task" t LEFT JOIN "Request" r ON true LEFT JOIN "User" u ON true WHERE $ IN (t."tenantId", r."tenantId", u."tenantId")"#,
        r#"SELECT 'x' FROM "Agency" WHERE EXISTS (SELECT FROM "Request" WHERE "tenantId" = $)"#,
        r#"SELECT 'x' FROM "Agency" a, LATERAL (SELECT FROM "Task" WHERE "tenantId" = $) t"#,
        r#"WITH all_of_them AS MATERIALIZED (SELECT * FROM "Request") SELECT 'x' FROM all_of_them WHERE "tenantId" = $"#,
        r#"SELECT 'x' FROM "Request" WHERE "tenantId" = $ UNION ALL SELECT 'x' FROM "User" WHERE "tenantId" = $"#,
        r#"SELECT x FROM (SELECT CASE WHEN "tenantId" = $ THEN 'x' END AS x, rank() OVER (ORDER BY "createdAt") FROM "Request") r WHERE x = 'x'"#,
        r#"SELECT 'x' FROM "Request" ORDER BY (SELECT count(*) FROM "User" WHERE "tenantId" = $) OFFSET (SELECT 1000 * (1 - count(*)) FROM "User" WHERE "tenantId" = $)"#,
    ] {
        let answer = raw.as_tenant(&sides.attacker, &sql.replace('$', &victim)).await?;
        seen.same(sql, &answer, &Answer::Rows(Vec::new()));
    }
    Ok(seen)
}

/// Tests every foreign key of the catalog, by update and by insert. A parent of another tenant and a missing parent
/// must give the same answer, and no row may reference the former.
async fn foreign_keys(raw: &mut Raw, key: &ForeignKey, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    let own = literal(&sides.attacker);
    let (child, column, parent) = (name(&key.table), name(&key.column), name(&key.parent));
    let victims = format!(r#"SELECT id::text FROM {parent} WHERE "tenantId" = {} LIMIT 1"#, literal(&sides.victim));
    let Some(victims) = raw.texts(&victims).await?.pop() else {
        seen.add("the victim has no row to reference: let an Extension plant one");
        return Ok(seen);
    };
    let update =
        |id: &str| format!(r#"UPDATE {child} SET {column} = {} WHERE "tenantId" = {own} RETURNING 'x'"#, literal(id));
    let copy = |id: &str, end: &str| {
        format!(
            r#"INSERT INTO {child} SELECT (jsonb_populate_record(NULL::{child}, to_jsonb(r) || jsonb_build_object('id', 'attack', {}, {}))).*
               FROM {child} r WHERE "tenantId" = {own} LIMIT 1 {end} RETURNING 'x'"#,
            literal(&key.column),
            literal(id)
        )
    };
    let insert = |id: &str| copy(id, "");
    let quietly = |id: &str| copy(id, "ON CONFLICT DO NOTHING");
    let forms = [
        ("an update", [update(&victims), update("none")]),
        ("an insert", [insert(&victims), insert("none")]),
        ("an insert that ignores conflicts", [quietly(&victims), quietly("none")]),
    ];
    for (form, [of_victim, of_nobody]) in forms {
        let foreign = tables::ask(raw, &child, &sides.attacker, &of_victim).await?;
        let missing = tables::ask(raw, &child, &sides.attacker, &of_nobody).await?;
        seen.unless(foreign == missing, format_args!("{form}: {foreign:?}, but {missing:?} for a missing row"));
        let linked = matches!(&foreign, Answer::Rows(rows) if !rows.is_empty());
        seen.unless(!linked, format_args!("{form}: the row references another tenant's row"));
    }
    Ok(seen)
}

async fn prepared(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    raw.run(r#"PREPARE attack AS SELECT DISTINCT "tenantId"::text FROM "Request""#).await?;
    // The server makes a custom plan for the first five executions and may cache a generic plan afterwards.
    for _ in 0..7 {
        for tenant in [&sides.victim, &sides.attacker] {
            let answer = raw.as_tenant(tenant, "EXECUTE attack").await?;
            seen.same("an EXECUTE", &answer, &Answer::Rows(vec![tenant.clone()]));
        }
    }
    raw.run("DEALLOCATE attack").await?;
    Ok(seen)
}

async fn ended(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    let all = r#"SELECT "tenantId"::text FROM "Request""#;
    for end in ["COMMIT", "ROLLBACK", "SELECT 1 / 0; COMMIT"] {
        raw.enter("", &sides.victim).await?;
        // The last one fails on purpose.
        let _ = raw.answer(end).await;
        let _ = raw.answer("ROLLBACK").await;
        raw.run("BEGIN; SET LOCAL ROLE rylie_tenant").await?;
        let answer = raw.answer(all).await;
        raw.leave().await?;
        seen.same(end, &answer, &Answer::Rows(Vec::new()));
    }
    Ok(seen)
}
