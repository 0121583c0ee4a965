//! The head of a tenant's export: how far it goes, signed, so that batches left off its end are missed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::signed_text::SignedText;
use crate::{Digest, PublicKey, Result, SigningKey};

const FIRST_LINE: &str = "rylie audit head 1";

/// Up to where an export holds what was sealed of a tenant. Whoever has the signing key says so when the export is made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantHead {
    /// The tenant.
    pub tenant: String,
    /// The last batch that has records of the tenant; 0 if there is none.
    pub batch: u64,
    /// How many records of the tenant were ever sealed, that batch included.
    pub total: u64,
    /// The last batch of all; 0 for a log that nobody had sealed.
    pub latest: u64,
    /// The hash of that one's checkpoint; zeros if there is none.
    pub checkpoint: Digest,
    /// When the export was made.
    pub time: DateTime<Utc>,
}

impl TenantHead {
    /// The signed text.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let body = self.body(key.public());
        let signature = STANDARD.encode(key.sign(body.as_bytes()));
        format!("{body}signature {signature}\n")
    }

    /// Reads a head whose signature holds under the key it names, which it gives. Whether that key is to be trusted is for
    /// the caller to say.
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
