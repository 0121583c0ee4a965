//! The forecast and the findings before an adoption, in words.

use rylie_db::maintenance::pretty_bytes;
use rylie_db::migration::{Preflight, PreflightFinding};

/// Returns the forecast and the findings, a line each.
pub(crate) fn in_words(preflight: &Preflight) -> Vec<String> {
    let Preflight { forecast, findings } = preflight;
    let bytes = |bytes: u64| pretty_bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let mut lines = vec![
        format!(
            "forecast: the database grows from {} by at most {}, and the write-ahead log by as much until its next \
             checkpoint; the server does not report the free space of its disk: check it",
            bytes(forecast.bytes_now),
            bytes(forecast.bytes_more)
        ),
        format!(
            "forecast: about {} to {} for {} rows, and the time for locks that others hold",
            span(forecast.seconds_at_least),
            span(forecast.seconds_at_most),
            forecast.rows
        ),
    ];
    lines.extend(findings.iter().map(|PreflightFinding { id, blocking, detail, fix }| {
        let (kind, fix) = (
            if *blocking { "blocking" } else { "found" },
            if fix.is_empty() { String::new() } else { format!(": {fix}") },
        );
        format!("{kind}: {id}: {detail}{fix}")
    }));
    lines
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
