//! Triggers of the old service that the fill would fire.

use super::PreflightFinding;
use crate::connection::Connection;
use crate::deploy::triggers::{self, Fired};
use crate::error::Result;
use crate::history::equivalents::FILL;
use crate::history::record;

/// Returns one finding that prevents the adoption for each trigger that the fill would fire.
pub(super) async fn read(connection: &mut Connection) -> Result<Vec<PreflightFinding>> {
    // A resumed adoption may have filled the tables before.
    let applied = record::applied(connection).await?;
    let fired = if applied.iter().any(|name| name == FILL) { Vec::new() } else { triggers::fired(connection).await? };
    if fired.is_empty() {
        return Ok(Vec::new());
    }
    let fires_none = triggers::fire_none(connection).await?.is_some();
    let grant = triggers::grant(connection).await?;
    Ok(fired.iter().filter(|fired| fired.always || !fires_none).map(|fired| finding(fired, &grant)).collect())
}

fn finding(fired: &Fired, grant: &str) -> PreflightFinding {
    let Fired { table, kind, name, always } = fired;
    let (off, on) = (fired.turn("DISABLE"), fired.turn(if *always { "ENABLE ALWAYS" } else { "ENABLE" }));
    let disable = format!("`{off}` before, and `{on}` afterwards");
    let accept = "or, if it harms nothing, run `rylie adopt --fire-triggers`";
    PreflightFinding {
        id: "triggers".to_owned(),
        blocking: true,
        detail: format!(
            "{kind} {name} would fire for every row of {table}, because filling the tenant key updates each row"
        ),
        fix: if *always {
            format!("run {disable}, {accept}")
        } else {
            format!("let a superuser run `{grant}`, so that the fill fires none; or run {disable}; {accept}")
        },
    }
}
