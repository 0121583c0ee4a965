//! Attacks on one table: reads, changes and inserts.

use super::Sides;
use crate::Result;
use crate::attacks::log::Seen;
use crate::attacks::raw::{Answer, Raw, literal, name};

/// Grants all rights, so that the policy alone protects the table, even if a later change grants more.
fn all_rights(table: &str) -> String {
    format!("GRANT ALL ON {table} TO rylie_tenant")
}

/// Runs one statement of the attacker with all rights on the table, and rolls it back.
pub(super) async fn ask(raw: &mut Raw, table: &str, tenant: &str, sql: &str) -> Result<Answer> {
    raw.enter(&all_rights(table), tenant).await?;
    let answer = raw.answer(sql).await;
    raw.leave().await?;
    Ok(answer)
}

pub(super) async fn read(raw: &mut Raw, table: &str, sides: &Sides) -> Result<Seen> {
    let (table, mut seen) = (name(table), Seen::default());
    let victim = literal(&sides.victim);
    let there = raw.texts(&format!(r#"SELECT "tenantId"::text FROM {table} WHERE "tenantId" = {victim}"#)).await?;
    seen.unless(!there.is_empty(), "the victim has no row to attack: let an Extension plant one");
    let own = literal(&sides.attacker);
    let own = raw.texts(&format!(r#"SELECT "tenantId"::text FROM {table} WHERE "tenantId" = {own}"#)).await?;
    seen.unless(!own.is_empty(), "the attacker has no row: let an Extension plant one");

    let all = format!(r#"SELECT "tenantId"::text FROM {table}"#);
    let shown = ask(raw, &table, &sides.attacker, &all).await?;
    seen.same("a query without a tenant condition", &shown, &Answer::Rows(own.clone()));
    raw.enter(&all_rights(&table), &sides.attacker).await?;
    let copied = raw.copied(&format!(r#"COPY {table} ("tenantId") TO STDOUT"#)).await;
    raw.leave().await?;
    seen.same("COPY", &copied, &Answer::Rows(own));
    let aimed = format!(r#"{all} WHERE "tenantId" = {victim}"#);
    seen.same("a query for the victim", &ask(raw, &table, &sides.attacker, &aimed).await?, &nothing());
    seen.same("a query with no tenant set", &ask(raw, &table, "", &all).await?, &nothing());
    // Without a policy as security barrier, the condition would be evaluated on rows that are later filtered out.
    let computed = format!(r#"{all} WHERE 1 / (CASE WHEN "tenantId" = {victim} THEN 0 ELSE 1 END) = 0"#);
    seen.same("an error as an oracle", &ask(raw, &table, &sides.attacker, &computed).await?, &nothing());
    let reported = format!(
        "{}; CREATE FUNCTION pg_temp.told(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
           $$ BEGIN IF $1 = {victim} THEN RAISE EXCEPTION 'seen'; END IF; RETURN false; END $$",
        all_rights(&table)
    );
    raw.enter(&reported, &sides.attacker).await?;
    let answer = raw.answer(&format!(r#"{all} WHERE pg_temp.told("tenantId")"#)).await;
    raw.leave().await?;
    seen.same("a function as an oracle", &answer, &nothing());
    Ok(seen)
}

pub(super) async fn write(raw: &mut Raw, table: &str, sides: &Sides) -> Result<Seen> {
    let (table, mut seen) = (name(table), Seen::default());
    let (victim, own) = (literal(&sides.victim), literal(&sides.attacker));
    for (what, sql) in [
        (
            "an update",
            format!(r#"UPDATE {table} SET "tenantId" = "tenantId" WHERE "tenantId" = {victim} RETURNING 'x'"#),
        ),
        ("a theft", format!(r#"UPDATE {table} SET "tenantId" = {own} WHERE "tenantId" = {victim} RETURNING 'x'"#)),
        ("a deletion", format!(r#"DELETE FROM {table} WHERE "tenantId" = {victim} RETURNING 'x'"#)),
        ("a lock", format!(r#"SELECT 'x' FROM {table} WHERE "tenantId" = {victim} FOR UPDATE"#)),
    ] {
        seen.same(what, &ask(raw, &table, &sides.attacker, &sql).await?, &nothing());
    }
    Ok(seen)
}

/// The policy must reject the row before a constraint or an index does. Neither statement reads its written row: that
/// would also check visibility, and the write check would not be what rejects it.
pub(super) async fn give(raw: &mut Raw, table: &str, sides: &Sides) -> Result<Seen> {
    let (quoted, mut seen) = (name(table), Seen::default());
    let (victim, own) = (literal(&sides.victim), literal(&sides.attacker));
    // All columns that the tenant is derived from reference the victim, too.
    let derived = raw
        .texts(&format!(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = '{quoted}'::regclass AND attnum > 0 AND NOT attisdropped \
             AND (attname IN ('tenantId', 'agencyId') OR (attname = 'id' AND {} = 'Agency'))",
            literal(table)
        ))
        .await?;
    let given: Vec<_> = derived.iter().map(|column| format!("{}, {victim}", literal(column))).collect();
    let set: Vec<_> = derived.iter().map(|column| format!("{} = {victim}", name(column))).collect();
    let insert = format!(
        r#"INSERT INTO {quoted} SELECT (jsonb_populate_record(NULL::{quoted}, to_jsonb(r) || jsonb_build_object({}))).*
           FROM {quoted} r WHERE "tenantId" = {own} LIMIT 1"#,
        given.join(", ")
    );
    let update = format!("UPDATE {quoted} SET {}", set.join(", "));
    for (what, sql) in [("an insert for the victim", insert), ("a row moved to the victim", update)] {
        let answer = ask(raw, &quoted, &sides.attacker, &sql).await?;
        seen.unless(answer.is_denied(), format_args!("{what}: {answer:?}, not a rejection by the policy"));
    }
    Ok(seen)
}

fn nothing() -> Answer {
    Answer::Rows(Vec::new())
}
