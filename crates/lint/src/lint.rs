//! Checks scripts against the rules.

use crate::context::Context;
use crate::depth;
use crate::finding::Finding;
use crate::rules::{self, Rule};
use crate::script::{self, Reading, Script};

/// Returns the findings of these scripts, in the order of the text.
///
/// Scripts count as applied in sequence: a table of one script may get its policies from the next. No statement is
/// skipped: text that the parser cannot read is a finding as well.
#[must_use]
pub fn lint(scripts: &[Script]) -> Vec<Finding> {
    depth::with_room(|| lint_here(scripts))
}

fn lint_here(scripts: &[Script]) -> Vec<Finding> {
    let readings: Vec<Reading> = scripts.iter().map(script::read).collect();
    let mut findings = Vec::new();
    for (script, reading) in scripts.iter().zip(&readings) {
        let context = Context { script: reading, all: &readings };
        let mut found = found_in(&context);
        found.extend(idle_allowances(reading, &found));
        found.retain(|found| !is_allowed(reading, found));
        found.sort_by_key(|found| (found.text, found.offset));
        findings.extend(found.iter().map(|found| found.report(script)));
    }
    findings
}

/// A finding before it is formatted.
struct Found {
    rule: &'static Rule,
    detail: String,
    text: usize,
    offset: usize,
    statement: usize,
}

fn found_in(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for part in &context.script.parts {
        let broken = rules::rules().filter(|rule| (rule.check)(context, part));
        found.extend(broken.map(|rule| Found {
            rule,
            detail: part.table.clone().map(|table| format!(" (table {table})")).unwrap_or_default(),
            text: part.text,
            offset: part.offset,
            statement: part.statement,
        }));
    }
    found.extend(context.script.unread.iter().map(|(text, offset, why)| Found {
        rule: &rules::UNPARSED,
        detail: format!(" ({why})"),
        text: *text,
        offset: *offset,
        statement: 0,
    }));
    found
}

fn is_allowed(reading: &Reading, found: &Found) -> bool {
    reading.allowances.iter().any(|allowance| allowance.covers(found.rule.id, found.statement))
}

/// Returns the unused and the invalid allowances.
fn idle_allowances(reading: &Reading, found: &[Found]) -> Vec<Found> {
    let idle = reading.allowances.iter().filter_map(|allowance| {
        let rule = match &allowance.rule {
            None => &rules::ALLOWANCE_WITHOUT_REASON,
            Some(_) if found.iter().any(|found| allowance.covers(found.rule.id, found.statement)) => return None,
            Some(_) => &rules::IDLE_ALLOWANCE,
        };
        let detail = allowance.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
        Some(Found { rule, detail, text: allowance.text, offset: allowance.offset, statement: 0 })
    });
    idle.collect()
}

impl Found {
    fn report(&self, script: &Script) -> Finding {
        let (name, sql) =
            script.texts.get(self.text).map_or((String::new(), ""), |text| (text.name.clone(), text.sql.as_str()));
        let before = sql.get(..self.offset).unwrap_or(sql);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Finding {
            file: name,
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            rule: self.rule.id,
            message: format!("{}{}", self.rule.harm, self.detail),
            fix: self.rule.fix,
        }
    }
}
