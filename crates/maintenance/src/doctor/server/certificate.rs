//! The end of the server's TLS certificate.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::Row;

use crate::doctor::report::{Limits, Outcome, Verdict};
use crate::doctor::session::Session;

const FILE: &str = "SELECT current_setting('ssl'), CASE WHEN current_setting('ssl') = 'on' THEN \
     encode(decode(substring(pg_read_file(current_setting('ssl_cert_file')) from '-----BEGIN CERTIFICATE-----(.*?)-----END'), 'base64'), 'hex') END";

/// Reads the certificate's file on the server, which needs `pg_read_server_files`.
pub(crate) async fn certificate(session: &mut Session, now: DateTime<Utc>, limits: &Limits) -> Outcome {
    let rows = match session.rows("", FILE).await {
        Ok(rows) => rows,
        Err(failed) => return failed.outcome(),
    };
    let Some((ssl, hex)) = rows
        .first()
        .and_then(|row| Some((row.try_get::<String, _>(0).ok()?, row.try_get::<Option<String>, _>(1).ok()?)))
    else {
        return Outcome::not_checked("the server did not show its certificate");
    };
    if ssl != "on" {
        return Outcome::not_checked("TLS is off on the server");
    }
    let end = hex.and_then(|hex| hex::decode(hex).ok()).and_then(|der| valid_until(&der));
    let Some(end) = end else { return Outcome::not_checked("the certificate cannot be read") };
    certificate_outcome(end, now, limits)
}

/// Returns the outcome of `server.certificate` for a certificate that is valid until `end`.
#[must_use]
pub fn certificate_outcome(end: DateTime<Utc>, now: DateTime<Utc>, limits: &Limits) -> Outcome {
    let detail = format!("valid until {}", end.format("%F"));
    #[expect(clippy::cast_precision_loss, reason = "days")]
    let days = (end - now).num_hours() as f64 / 24.0;
    if days <= limits.critical {
        Outcome::found(Verdict::Critical, "certificate", detail)
    } else if days <= limits.warning {
        Outcome::found(Verdict::Warning, "certificate", detail)
    } else {
        Outcome::ok(detail)
    }
}

/// Returns the second time of a certificate's validity (RFC 5280, section 4.1.2.5). The validity is a sequence of two
/// times, each a `UTCTime` (tag 23) or a `GeneralizedTime` (tag 24). No field before it has that form.
fn valid_until(der: &[u8]) -> Option<DateTime<Utc>> {
    (0..der.len()).find_map(|start| {
        let rest = der.get(start..)?.strip_prefix(&[0x30])?;
        let (length, times) = rest.split_first()?;
        let (_, rest) = time(times)?;
        let (end, after) = time(rest)?;
        (times.len() - after.len() == usize::from(*length)).then_some(end)
    })
}

fn time(der: &[u8]) -> Option<(DateTime<Utc>, &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let text = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
    let text = match (tag, length) {
        // Years of two digits are from 1950 to 2049.
        (0x17, 13) => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        (0x18, 15) => text.to_owned(),
        _ => return None,
    };
    let at = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
    Some((at.and_utc(), rest.get(usize::from(*length)..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_the_second_time_of_its_validity() {
        let mut der = vec![0x02, 0x01, 0x05, 0x30, 0x1e, 0x17, 0x0d];
        der.extend(b"250102030405Z");
        der.extend([0x17, 0x0d]);
        der.extend(b"270203040506Z");
        der.extend([0x30, 0x00]);
        assert_eq!(valid_until(&der).unwrap().to_rfc3339(), "2027-02-03T04:05:06+00:00");
        assert_eq!(valid_until(&der[..20]), None);
        assert_eq!(valid_until(b"0\xff"), None);
    }
}
