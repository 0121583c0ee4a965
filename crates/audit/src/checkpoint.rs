//! A checkpoint: what was sealed so far, in a text that is signed.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::signed_text::SignedText;
use crate::{Digest, Error, PublicKey, Result, SigningKey};

/// What each begins with; the number of the format follows.
pub(crate) const BEGINNING: &str = "rylie audit checkpoint ";

/// How the details of a batch's records are hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// As the document that they are, numbers as the doubles that `serde_json` read. Older batches.
    One,
    /// As the text that the database writes of them.
    Two,
}

impl Format {
    /// That of a batch, by the text of its checkpoint.
    #[must_use]
    pub fn of(checkpoint: &str) -> Self {
        let first = checkpoint.lines().next().and_then(|line| line.strip_prefix(BEGINNING));
        if first == Some("1") { Self::One } else { Self::Two }
    }

    fn first_line(self) -> String {
        format!("{BEGINNING}{}", if self == Self::One { 1 } else { 2 })
    }
}

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
    format: Format,
    key: PublicKey,
    body: String,
    signature: Vec<u8>,
}

impl Checkpoint {
    /// Signs it, in the newest format.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        self.sign_as(Format::Two, key)
    }

    /// Signs it in a format of the past, as tests need it.
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

    /// Reads a file of checkpoints, one after the other, or a JSON document that holds some under `checkpoint` or
    /// `checkpoints`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        if let Ok(document) = serde_json::from_str::<serde_json::Value>(text) {
            if document.get("record").is_some() {
                let reason = "it is a proof, which does not vouch for its own checkpoint";
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

    /// How the details of the batch's records are hashed.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
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
