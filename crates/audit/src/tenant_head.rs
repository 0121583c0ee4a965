//! The head of a tenant's export: a signed statement of its end, which reveals omitted last batches.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::signed_text::SignedText;
use crate::{Digest, PublicKey, Result, SigningKey};

const FIRST_LINE: &str = "rylie audit head 1";

/// The end of a tenant's export of the audit log, signed by the exporter with the signing key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantHead {
    /// The tenant.
    pub tenant: String,
    /// The last batch with records of the tenant; 0 if there is none.
    pub batch: u64,
    /// How many records of the tenant were ever sealed, including that batch.
    pub total: u64,
    /// The last batch of the log; 0 if nothing was sealed.
    pub latest: u64,
    /// The hash of its checkpoint; zeros if there is none.
    pub checkpoint: Digest,
    /// The time of the export.
    pub time: DateTime<Utc>,
}

impl TenantHead {
    /// Returns the signed text.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let body = self.body(key.public());
        let signature = STANDARD.encode(key.sign(body.as_bytes()));
        format!("{body}signature {signature}\n")
    }

    /// Parses a head and verifies its signature under the key that it names. Returns both. The caller must decide
    /// whether to trust that key. Fails with [`Error::Malformed`](crate::Error::Malformed) for another text, and for a
    /// signature that is not valid.
    pub fn parse(text: &str) -> Result<(Self, PublicKey)> {
        let mut text = SignedText::open("head of an export", FIRST_LINE, text)?;
        let head = Self {
            tenant: text.field("tenant")?.to_owned(),
            batch: text.number("batch")?,
            total: text.number("total")?,
            latest: text.number("latest")?,
            checkpoint: text.digest("checkpoint")?,
            time: text.time("time")?,
        };
        let key = text.key()?;
        text.end(key, &head.body(key))?;
        Ok((head, key))
    }

    fn body(&self, key: PublicKey) -> String {
        let Self { tenant, batch, total, latest, checkpoint, time } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        format!(
            "{FIRST_LINE}\ntenant {tenant}\nbatch {batch}\ntotal {total}\nlatest {latest}\ncheckpoint {checkpoint}\ntime {time}\nkey {key}\n"
        )
    }
}
