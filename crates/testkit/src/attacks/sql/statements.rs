//! Statements over several tables, foreign keys, and statements that are used again.

use super::Sides;
use crate::Result;
use crate::attacks::log::{Log, Seen};
use crate::attacks::raw::{Answer, Raw, literal};

pub(super) async fn attack(raw: &mut Raw, sides: &Sides, log: &mut Log) {
    log.note("joins and sub-selects see the own rows only", joins(raw, sides).await);
    log.note("a foreign key is no oracle, and holds no row to another tenant's", foreign_keys(raw, sides).await);
    log.note("a statement that was prepared for one tenant shows the next one's rows", prepared(raw, sides).await);
    log.note("a tenant that is set for a transaction ends with it", ended(raw, sides).await);
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

/// The parent is another tenant's, or nobody's: the same is answered, and no row is left that refers there.
async fn foreign_keys(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    let own = literal(&sides.attacker);
    for (child, parent, table) in [
        ("Task", "requestId", "Request"),
        ("SEOWorksTaskMapping", "requestId", "Request"),
        ("GA4Connection", "userId", "User"),
        ("UserPreferences", "userId", "User"),
        ("MonthlyUsage", "userId", "User"),
        ("UsageEvent", "userId", "User"),
    ] {
        let victims =
            format!(r#"SELECT id::text FROM "{table}" WHERE "tenantId" = {} LIMIT 1"#, literal(&sides.victim));
        let Some(victims) = raw.texts(&victims).await?.pop() else { continue };
        let refer = |id: &str| format!(r#"UPDATE "{child}" SET "{parent}" = {} WHERE "tenantId" = {own}"#, literal(id));
        let foreign = raw.as_tenant(&sides.attacker, &refer(&victims)).await?;
        let missing = raw.as_tenant(&sides.attacker, &refer("none")).await?;
        seen.unless(
            foreign == missing,
            format_args!("{child}.{parent}: {foreign:?}, and {missing:?} for one that is missing"),
        );
        seen.unless(
            !matches!(foreign, Answer::Rows(_)),
            format_args!("{child}.{parent}: it refers to another tenant's"),
        );
    }
    Ok(seen)
}

async fn prepared(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    raw.run(r#"PREPARE attack AS SELECT DISTINCT "tenantId"::text FROM "Request""#).await?;
    // The server plans anew for the first five, and may keep a plan from then on.
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
