//! The report as one page: no script, no font, no image from elsewhere. Each status is a word, so colour is not needed.

mod charts;
mod sections;

use std::fmt::Write;

use rylie_db::maintenance::{CheckResult, DoctorReport, Verdict};

/// Styles for screens, phones and paper.
const STYLE: &str = include_str!("html/style.css");

/// Returns the page.
pub(super) fn page(report: &DoctorReport) -> String {
    let mut body = String::new();
    header(&mut body, report);
    findings(&mut body, report);
    sections::changes(&mut body, report);
    sections::sizes(&mut body, report);
    sections::activity(&mut body, report);
    sections::statements(&mut body, report);
    sections::operation(&mut body, report);
    checks(&mut body, report);
    let title = format!("Diagnosis of {}", report.at.format("%F %T"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>"
    )
}

fn header(body: &mut String, report: &DoctorReport) {
    let worst = report.checks.iter().map(|check| check.status).filter(|status| status.is_finding()).max();
    let verdict = match worst {
        Some(Verdict::Critical) => "Something is critical",
        Some(_) => "Something needs attention",
        None if report.count(Verdict::NotChecked) > 0 => "Nothing was found; not everything was checked",
        None => "Nothing was found",
    };
    put(
        body,
        &format!(
            "<h1>{verdict}</h1>\n<p>{}, {} UTC, {} ms</p>\n<ul class=\"counts\">",
            escaped(&report.server),
            report.at.format("%F %T"),
            report.took_ms
        ),
    );
    for status in [Verdict::Critical, Verdict::Warning, Verdict::NotChecked, Verdict::Ok] {
        put(body, &format!("<li class=\"{0}\"><b>{1}</b> {0}</li>", status.as_str(), report.count(status)));
    }
    put(body, "</ul>\n");
}

fn findings(body: &mut String, report: &DoctorReport) {
    if report.is_healthy() {
        return;
    }
    put(body, "<section><h2>Findings</h2>\n");
    for (worst, check) in report.root_causes() {
        finding(body, worst, check, report);
    }
    put(body, "</section>\n");
}

fn finding(body: &mut String, worst: Verdict, check: &CheckResult, report: &DoctorReport) {
    let status = worst.as_str();
    put(
        body,
        &format!(
            "<article class=\"{status}\"><h3><span class=\"status\">{status}</span> {}</h3>\n<p>{}</p>\n<ul>",
            escaped(&check.id),
            escaped(&check.meaning)
        ),
    );
    for found in &check.evidence {
        put(body, &format!("<li><b>{}</b>: {}</li>", escaped(&found.object), escaped(&found.detail)));
    }
    put(body, "</ul>\n");
    if let Some(fix) = &check.fix {
        put(body, &format!("<p>Fix: <code>{}</code><br/>Lock: {}</p>\n", escaped(&fix.command), escaped(&fix.lock)));
    }
    let (found, unmade): (Vec<_>, Vec<_>) =
        report.explained_by(&check.id).partition(|symptom| symptom.status.is_finding());
    if !found.is_empty() {
        put(body, "<p>It explains:</p>\n<ul>");
        for symptom in found {
            let (id, detail) = (escaped(&symptom.id), escaped(&symptom.detail));
            put(body, &format!("<li>{id} ({}): {detail}</li>", symptom.status.as_str()));
        }
        put(body, "</ul>\n");
    }
    if !unmade.is_empty() {
        put(body, &format!("<p>It prevents {} checks.</p>\n", unmade.len()));
    }
    put(body, "</article>\n");
}

fn checks(body: &mut String, report: &DoctorReport) {
    put(
        body,
        "<section><h2>All checks</h2>\n<div class=\"wide\"><table><thead><tr><th>status</th><th>check</th><th>detail</th></tr></thead>\n<tbody>",
    );
    let mut all: Vec<&CheckResult> = report.checks.iter().collect();
    all.sort_by_key(|check| std::cmp::Reverse(check.status));
    for check in all {
        let status = check.status.as_str();
        let detail = check.reason.as_ref().unwrap_or(&check.detail);
        put(
            body,
            &format!(
                "<tr class=\"{status}\"><td>{status}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(&check.id),
                escaped(detail)
            ),
        );
    }
    put(body, "</tbody></table></div></section>\n");
}

fn put(body: &mut String, text: &str) {
    // Writing to a text cannot fail.
    let _ = write!(body, "{text}");
}

/// Escapes a text for elements and attributes. Control characters become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(escaped("<script>\"a\" & 'b'\u{7}"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39; ");
    }
}
