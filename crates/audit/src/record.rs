//! A record as it is hashed: what is personal is committed to by salted hashes, so that it can be erased later.

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::Encoding;
use crate::merkle::leaf_hash;
use crate::{Digest, Error, Format, Result};

/// A record of the log, as it was read.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its key.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// The number the database gave it; absent for one from before there were any.
    pub position: Option<i64>,
    /// What was done.
    pub action: String,
    /// The kind of thing it was done to.
    pub resource: String,
    /// Who did it, from where. Personal.
    pub who: Part<Who>,
    /// To which one, and what changed. Personal.
    pub what: Part<What>,
    /// Where the database holds a value that no record of ours has, such as the time `infinity`: that value, as the database writes it.
    /// The record is sealed with it, set apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// Who acted, from where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// A user's id, or `job:<name>`.
    pub actor: String,
    /// The user in whose name.
    pub on_behalf_of: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The client's program.
    pub user_agent: Option<String>,
    /// What ties together the records of one call.
    pub correlation: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "WrittenWhat", into = "WrittenWhat")]
pub struct What {
    /// The key of the row.
    pub resource_id: Option<String>,
    /// Changes and facts.
    pub details: Option<Document>,
}

/// Changes and facts, as they were sealed.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The text that the database writes of them, hashed as it is.
    Text(String),
    /// That text, hashed as the document that [`Format::One`] took it for.
    Parsed(String),
    /// The document itself, as proofs held it that were made by earlier builds.
    Value(Value),
}

/// The form of a [`What`] in a proof: one of the three at the most.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenWhat {
    resource_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parsed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

impl TryFrom<WrittenWhat> for What {
    type Error = Error;

    fn try_from(written: WrittenWhat) -> Result<Self> {
        let WrittenWhat { resource_id, text, parsed, details } = written;
        let details = match (text, parsed, details) {
            (text, None, None) => text.map(Document::Text),
            (None, parsed, None) => parsed.map(Document::Parsed),
            (None, None, details) => details.map(Document::Value),
            _ => return Err(Error::Malformed { what: "record", reason: "it has its details twice" }),
        };
        Ok(Self { resource_id, details })
    }
}

impl From<What> for WrittenWhat {
    fn from(what: What) -> Self {
        let (mut text, mut parsed, mut details) = (None, None, None);
        match what.details {
            Some(Document::Text(value)) => text = Some(value),
            Some(Document::Parsed(value)) => parsed = Some(value),
            Some(Document::Value(value)) => details = Some(value),
            None => {}
        }
        Self { resource_id: what.resource_id, text, parsed, details }
    }
}

impl Document {
    /// Of a record whose batch has this format, from the text that the database writes.
    #[must_use]
    pub fn of(format: Format, text: String) -> Self {
        match format {
            Format::One => Self::Parsed(text),
            Format::Two => Self::Text(text),
        }
    }
}

/// A personal part of a record.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<T> {
    /// It is there, with the salt of its commitment.
    Open {
        /// The values.
        value: T,
        /// 16 random bytes, in hexadecimal.
        salt: Salt,
    },
    /// It was erased; the commitment stays.
    Erased(Digest),
}

/// 16 random bytes that keep an erased value from being guessed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// Fresh ones, from the system's randomness: one call however many.
    pub fn random(count: usize) -> Result<Vec<Self>> {
        let mut bytes = vec![0; count * 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Cryptography)?;
        Ok(bytes.chunks_exact(16).filter_map(|some| some.try_into().ok().map(Self)).collect())
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        hex::encode(salt.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let malformed = Error::Malformed { what: "salt", reason: "it must have 32 hexadecimal digits" };
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(malformed)
    }
}

/// What the parts of a sealed record are committed with. Of each part there is the salt until it is erased, and the
/// commitment from then on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commitments {
    /// The salt of who.
    pub who_salt: Option<Salt>,
    /// The salt of what.
    pub what_salt: Option<Salt>,
    /// The commitment that who left.
    pub who: Option<Digest>,
    /// The commitment that what left.
    pub what: Option<Digest>,
}

impl Commitments {
    /// Of parts that are both there.
    #[must_use]
    pub fn fresh(who: Salt, what: Salt) -> Self {
        Self { who_salt: Some(who), what_salt: Some(what), who: None, what: None }
    }

    /// The part as it was sealed. It counts as erased if nothing of it is there any more: who acted is then `erased`.
    #[must_use]
    pub fn who(&self, value: Who) -> Part<Who> {
        let actor = "erased".to_owned();
        let nobody = Who { actor, on_behalf_of: None, address: None, user_agent: None, correlation: None };
        part(value, &nobody, self.who_salt, self.who)
    }

    /// Likewise.
    #[must_use]
    pub fn what(&self, value: What) -> Part<What> {
        part(value, &What { resource_id: None, details: None }, self.what_salt, self.what)
    }
}

/// Values where a commitment says there are none do not agree with anything that was sealed.
fn part<T: PartialEq>(value: T, erased: &T, salt: Option<Salt>, commitment: Option<Digest>) -> Part<T> {
    match (salt, commitment) {
        (Some(salt), None) => Part::Open { value, salt },
        (None, Some(commitment)) if value == *erased => Part::Erased(commitment),
        _ => Part::Open { value, salt: Salt([0; 16]) },
    }
}

/// A part that can be committed to.
pub trait Committed {
    /// `SHA-256(kind || salt || values)`.
    fn commitment(&self, salt: &Salt) -> Digest;
}

impl Committed for Who {
    fn commitment(&self, salt: &Salt) -> Digest {
        let bytes = Encoding::of("rylie audit who 1").raw(&salt.0).text(&self.actor);
        let bytes = bytes.optional(self.on_behalf_of.as_deref()).optional(self.address.as_deref());
        let bytes = bytes.optional(self.user_agent.as_deref()).optional(self.correlation.as_deref());
        Digest::of(&bytes.into_bytes())
    }
}

impl Committed for What {
    fn commitment(&self, salt: &Salt) -> Digest {
        let bytes = Encoding::of("rylie audit what 1").raw(&salt.0).optional(self.resource_id.as_deref());
        let bytes = match &self.details {
            Some(Document::Text(text)) => bytes.raw(&[2]).text(text),
            // What is nested too deep for a document, or has a number that is none, counts as a string.
            Some(Document::Parsed(text)) => {
                let document = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
                bytes.raw(&[1]).json(&document)
            }
            Some(Document::Value(document)) => bytes.raw(&[1]).json(document),
            None => bytes.raw(&[0]),
        };
        Digest::of(&bytes.into_bytes())
    }
}

impl<T: Committed> Part<T> {
    /// The commitment, computed or kept.
    pub fn commitment(&self) -> Digest {
        match self {
            Self::Open { value, salt } => value.commitment(salt),
            Self::Erased(commitment) => *commitment,
        }
    }
}

impl Record {
    /// The hash of the leaf that the record is in the tree of its tenant.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        let kind = if self.unreadable.is_some() { "rylie audit record 2" } else { "rylie audit record 1" };
        let bytes = Encoding::of(kind).text(&self.id).text(&self.tenant).signed(self.created_at);
        let bytes = match self.position {
            Some(position) => bytes.raw(&[1]).signed(position),
            None => bytes.raw(&[0]),
        };
        let bytes = bytes.text(&self.action).text(&self.resource);
        let bytes = bytes.raw(&self.who.commitment().0).raw(&self.what.commitment().0);
        let bytes = match &self.unreadable {
            Some(value) => bytes.text(value),
            None => bytes,
        };
        leaf_hash(&bytes.into_bytes())
    }

    /// Its place in its tenant's tree of a batch: records without a position first, by time and id.
    #[must_use]
    pub fn order(&self) -> (Option<i64>, i64, &str) {
        match self.position {
            Some(position) => (Some(position), 0, ""),
            None => (None, self.created_at, &self.id),
        }
    }
}
