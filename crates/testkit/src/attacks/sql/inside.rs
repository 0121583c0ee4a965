//! Attempts to disable row-level security from within the tenant role.

use super::Sides;
use crate::Result;
use crate::attacks::log::Seen;
use crate::attacks::raw::{Raw, name};

const DEMOLITION: [&str; 12] = [
    "TRUNCATE $",
    "TRUNCATE $ CASCADE",
    "ALTER TABLE $ DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE $ NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE $ DISABLE TRIGGER ALL",
    "ALTER TABLE $ OWNER TO rylie_tenant",
    "DROP TABLE $ CASCADE",
    "CREATE POLICY mine ON $ USING (true)",
    "CREATE TRIGGER mine BEFORE INSERT ON $ FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON SELECT TO $ DO INSTEAD NOTHING",
    "COPY $ FROM PROGRAM 'true'",
    "COPY $ TO PROGRAM 'true'",
];

pub(super) async fn attack(raw: &mut Raw, table: &str, sides: &Sides) -> Result<Seen> {
    let (table, mut seen) = (name(table), Seen::default());
    for sql in DEMOLITION {
        let sql = sql.replace('$', &table);
        let answer = raw.as_tenant(&sides.attacker, &sql).await?;
        seen.unless(answer.is_denied(), format_args!("{sql}: {answer:?}"));
    }
    for policy in
        raw.texts(&format!("SELECT polname::text FROM pg_policy WHERE polrelid = '{table}'::regclass")).await?
    {
        for sql in [
            format!("DROP POLICY {} ON {table}", name(&policy)),
            format!("ALTER POLICY {} ON {table} USING (true)", name(&policy)),
        ] {
            let answer = raw.as_tenant(&sides.attacker, &sql).await?;
            seen.unless(answer.is_denied(), format_args!("{sql}: {answer:?}"));
        }
    }
    raw.enter(&format!("GRANT SELECT ON {table} TO rylie_tenant"), &sides.attacker).await?;
    raw.run("SET LOCAL row_security = off").await?;
    let answer = raw.answer(&format!("SELECT 'x' FROM {table}")).await;
    raw.leave().await?;
    seen.unless(answer.is_denied(), format_args!("with row_security off: {answer:?}"));
    Ok(seen)
}
