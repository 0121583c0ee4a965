//! Checkpoints: signed statements about the sealed batches.

mod file;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::signed_text::SignedText;
use crate::{Digest, Error, PublicKey, Result, SigningKey};

/// The beginning of each checkpoint, followed by the format's number.
pub(crate) const BEGINNING: &str = "rylie audit checkpoint ";

/// How the details of a batch's records are hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// As a parsed document, with numbers as the doubles that `serde_json` read. Used by older batches.
    One,
    /// As the database's text.
    Two,
}

impl Format {
    /// Returns the format of a batch from the text of its checkpoint.
    #[must_use]
    pub fn of(checkpoint: &str) -> Self {
        let first = checkpoint.lines().next().and_then(|line| line.strip_prefix(BEGINNING));
        if first == Some("1") { Self::One } else { Self::Two }
    }

    fn first_line(self) -> String {
        format!("{BEGINNING}{}", if self == Self::One { 1 } else { 2 })
    }
}

/// A statement about a batch, linked to its predecessor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The fingerprint of the database.
    pub database: String,
    /// The number of the batch; the first is 1.
    pub batch: u64,
    /// The time of sealing.
    pub time: DateTime<Utc>,
    /// The number of its records; 0 in a heartbeat.
    pub records: u64,
    /// The number of records ever sealed, including this batch.
    pub total: u64,
    /// The number of tenants with records in it.
    pub tenants: u64,
    /// The last batch whose records retention may have removed; 0 for none. It never decreases.
    pub removed: u64,
    /// The Merkle root over the tenants' entries.
    pub root: Digest,
    /// The hash of the previous checkpoint; zeros in the first.
    pub previous: Digest,
}

/// A checkpoint with its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    format: Format,
    key: PublicKey,
    body: String,
    signature: Vec<u8>,
}

impl Checkpoint {
    /// Signs it, in the current format.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        self.sign_as(Format::Two, key)
    }

    /// Signs it in an older format, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn sign_as(self, format: Format, key: &SigningKey) -> SignedCheckpoint {
        let body = self.body(format, key.public());
        let signature = key.sign(body.as_bytes());
        SignedCheckpoint { checkpoint: self, format, key: key.public(), body, signature }
    }

    fn body(&self, format: Format, key: PublicKey) -> String {
        let Self { database, batch, time, records, total, tenants, removed, root, previous } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut body = format!("{}\n", format.first_line());
        // Writing to a `String` cannot fail.
        let _ = write!(
            body,
            "database {database}\nbatch {batch}\ntime {time}\nrecords {records}\ntotal {total}\ntenants {tenants}\n\
             removed {removed}\nroot {root}\nprevious {previous}\nkey {key}\n"
        );
        body
    }
}

impl SignedCheckpoint {
    /// Parses a checkpoint and verifies its signature under the key that it names. The caller must decide whether to
    /// trust that key. Fails with [`Error::Malformed`] for another text, and for a signature that is not valid.
    pub fn parse(text: &str) -> Result<Self> {
        let format = Format::of(text);
        let mut text = SignedText::open("checkpoint", &format.first_line(), text)?;
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
        let (body, signature) = text.end(key, &checkpoint.body(format, key))?;
        Ok(Self { checkpoint, format, key, body: body.to_owned(), signature })
    }

    /// Parses a file of consecutive checkpoints, or a JSON document with some under `checkpoint` or `checkpoints`.
    /// Fails with [`Error::Malformed`] for another text.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        if let Ok(document) = serde_json::from_str::<serde_json::Value>(text) {
            if document.get("record").is_some() {
                let reason = "it is a proof, which cannot confirm its own checkpoint; name a file of checkpoints";
                return Err(Error::Malformed { what: "checkpoint", reason });
            }
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
            if current.is_empty() && line.trim_ascii().is_empty() {
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
            return Err(Error::Malformed {
                what: "checkpoint",
                reason: "the file ends within a checkpoint, or contains none",
            });
        }
        Ok(found)
    }

    /// Returns the text, as stored and published.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}signature {}\n", self.body, STANDARD.encode(&self.signature))
    }

    /// Returns the statement.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the signed part of the text, which is the checkpoint's entry in the tree of witnesses.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Returns how the details of the batch's records are hashed.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the signing key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Returns the SHA-256 of the signed text, which the next checkpoint names as its predecessor.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.body.as_bytes())
    }
}
