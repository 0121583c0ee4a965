//! `rylie adopt --undo`

use rylie_db::migration::UndoLosses;
use serde_json::json;

use crate::arguments::Global;
use crate::commands::migrations;
use crate::confirm::Question;
use crate::failure::Result;
use crate::progress;
use crate::report::{Report, list};

const QUESTION: Question<'_> = Question {
    text: "This reverts the adoption: the base that Prisma created stays, with all its rows. Type undo to continue: ",
    word: "undo",
    declined: "that is not the word; nothing was undone",
    unasked: "an undo drops our tables and columns with what the list says; add --yes to confirm it",
};

const ASIDE: &str = "the seals of the audit log stay in tables whose names begin with rylie_aside_, for the next adoption; \
                     without one, drop these tables";

/// Lists the losses, asks, and reverts. With `dry_run` it only lists them.
pub(super) async fn run(global: &Global, yes: bool, dry_run: bool) -> Result<Report> {
    let mut migrations = migrations(global).await?;
    let losses = migrations.undo_losses().await?;
    let lines = in_words(&losses);
    if dry_run {
        let document = json!({ "undone": false, "losses": losses });
        return Ok(Report::new(
            document,
            if lines.is_empty() { format!("an undo would lose nothing; {ASIDE}") } else { lines.join("\n") },
        ));
    }
    for line in &lines {
        progress::line(global, line);
    }
    QUESTION.confirm(yes)?;
    let reverted = migrations.undo_adoption(&mut progress::lines(global)).await?;
    let undone = "the adoption is undone: the base that Prisma created is left";
    let text = if reverted.is_empty() {
        "nothing to do: the adoption is undone".to_owned()
    } else {
        format!("{}\n{undone}; {ASIDE}", list("reverted", &reverted, ""))
    };
    Ok(Report::new(json!({ "undone": true, "reverted": reverted, "losses": losses }), text))
}

fn in_words(losses: &UndoLosses) -> Vec<String> {
    let UndoLosses { tables, soft_deleted, sealed, audit_records_kept_aside, objects, logins, open_logins } = losses;
    let mut lines: Vec<String> = tables.iter().map(|(table, rows)| format!("lost: {rows} rows of {table}")).collect();
    lines
        .extend(soft_deleted.iter().map(|(table, rows)| format!("visible again: {rows} soft-deleted rows of {table}")));
    lines.extend(
        sealed
            .iter()
            .map(|(column, values)| format!("unreadable for the old service: {values} sealed values of {column}")),
    );
    if *audit_records_kept_aside > 0 {
        lines.push(format!(
            "kept aside: {audit_records_kept_aside} audit records of operators and jobs, in tables whose names begin with rylie_aside_"
        ));
    }
    lines.extend(objects.iter().map(|object| format!("dropped as well: {object}")));
    lines.extend(logins.iter().map(|login| format!("closed: the login {login} stays and loses its rights here")));
    let open = |login: &String| {
        format!("stays open: the login {login} for backups still reads every row; if no backup needs it, drop it")
    };
    lines.extend(open_logins.iter().map(open));
    lines
}
