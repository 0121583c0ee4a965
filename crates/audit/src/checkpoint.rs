//! A checkpoint: what was sealed so far, in a text that is signed.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::signed_text::SignedText;
use crate::{Digest, Error, PublicKey, Result, SigningKey};

pub(crate) const FIRST_LINE: &str = "rylie audit checkpoint 1";

/// What a batch seals, linked to everything before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The fingerprint of the database.
    pub database: String,
    /// The number of the batch; the first is 1.
    pub batch: u64,
    /// When it was sealed.
    pub time: DateTime<Utc>,
    /// How many records it has; none in a heartbeat.
    pub records: u64,
    /// How many records were ever sealed, this batch included.
    pub total: u64,
    /// How many tenants its records belong to.
    pub tenants: u64,
    /// Up to which batch retention may have removed the records; 0 for none. It never goes back.
    pub removed: u64,
    /// The root over the tenants' entries.
    pub root: Digest,
    /// The hash of the checkpoint before; zeros before the first.
    pub previous: Digest,
}

/// A checkpoint with its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    key: PublicKey,
    body: String,
    signature: Vec<u8>,
}

impl Checkpoint {
    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        let body = self.body(key.public());
        let signature = key.sign(body.as_bytes());
        SignedCheckpoint { checkpoint: self, key: key.public(), body, signature }
    }

    fn body(&self, key: PublicKey) -> String {
        let Self { database, batch, time, records, total, tenants, removed, root, previous } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut body = format!("{FIRST_LINE}\n");
        // Writing to a `String` does not fail.
        let _ = write!(
            body,
            "database {database}\nbatch {batch}\ntime {time}\nrecords {records}\ntotal {total}\ntenants {tenants}\n\
             removed {removed}\nroot {root}\nprevious {previous}\nkey {key}\n"
        );
        body
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint whose signature holds under the key it names. Whether that key is to be trusted is for the
    /// caller to say.
    pub fn parse(text: &str) -> Result<Self> {
        let mut text = SignedText::open("checkpoint", FIRST_LINE, text)?;
        let checkpoint = Checkpoint {
            database: text.field("database")?.to_owned(),
            batch: text.number("batch")?,
            time: text.time("time")?,
            records: text.number("records")?,
            total: text.number("total")?,
            tenants: text.number("tenants")?,
            removed: text.number("removed")?,
            root: text.digest("root")?,
            previous: text.digest("previous")?,
        };
        let key = text.key()?;
        let (body, signature) = text.end(key, &checkpoint.body(key))?;
        Ok(Self { checkpoint, key, body: body.to_owned(), signature })
    }

    /// Reads a file of checkpoints, one after the other, or a JSON document that holds some under `checkpoint` or
    /// `checkpoints`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        if let Ok(document) = serde_json::from_str::<serde_json::Value>(text) {
            let one = document.get("checkpoint").into_iter();
            let many = document.get("checkpoints").and_then(|all| all.as_array()).into_iter().flatten();
            let texts: Vec<_> = one.chain(many).filter_map(|text| text.as_str()).collect();
            if texts.is_empty() {
                return Err(Error::Malformed { what: "checkpoint", reason: "the document has no `checkpoint`" });
            }
            return texts.into_iter().map(Self::parse).collect();
        }
        let mut found = Vec::new();
        let mut current = String::new();
        for line in text.lines() {
            if current.is_empty() && line.trim().is_empty() {
                continue;
            }
            current.push_str(line);
            current.push('\n');
            if line.starts_with("signature ") {
                found.push(Self::parse(&current)?);
                current.clear();
            }
        }
        if !current.is_empty() || found.is_empty() {
            return Err(Error::Malformed { what: "checkpoint", reason: "the file ends within one, or has none" });
        }
        Ok(found)
    }

    /// As it is stored and handed out.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}signature {}\n", self.body, STANDARD.encode(&self.signature))
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Who signed it.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What the next checkpoint names as the previous one: the SHA-256 of the text that is signed.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.body.as_bytes())
    }
}
