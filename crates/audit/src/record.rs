//! A record in its hashed form. Salted hashes commit to its personal parts, so that they can be erased later.

use ring::rand::{SecureRandom, SystemRandom};
use rylie_crypto::object;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::encoding::Encoding;
use crate::merkle::leaf_hash;
use crate::{Digest, Error, Format, Result, Text};

/// A record of the log, as stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// The tenant that owns it.
    pub tenant: String,
    /// Milliseconds since 1970, UTC.
    pub created_at: i64,
    /// The number that the database assigned; absent for a record older than positions.
    pub position: Option<i64>,
    /// The action.
    pub action: Text,
    /// The kind of its target.
    pub resource: Text,
    /// The actor and the origin. Personal.
    pub who: Part<ActorPart>,
    /// The target and the changes. Personal.
    pub what: Part<TargetPart>,
    /// The unreadable value as the database writes it, such as the time `infinity`, if the row has one that we never
    /// write. The record is sealed with it, as quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// The actor part: who acted, and from where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActorPart {
    /// A user's id, or `job:<name>`.
    pub actor: Text,
    /// The user in whose name the actor worked.
    pub on_behalf_of: Option<Text>,
    /// The client's address.
    pub address: Option<Text>,
    /// The client's user agent.
    pub user_agent: Option<Text>,
    /// The correlation id that links the records of one call.
    pub correlation: Option<Text>,
}

/// The target part: the row and the details.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "WrittenWhat", into = "WrittenWhat")]
pub struct TargetPart {
    /// The id of the row.
    pub resource_id: Option<Text>,
    /// The changes and facts.
    pub details: Option<Document>,
}

/// The changes and facts, as they were sealed.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The database's text of them, hashed as it is.
    Text(Text),
    /// The same text, hashed as the document that [`Format::One`] parsed from it.
    Parsed(Text),
    /// The document itself, as stored in proofs by earlier builds.
    Value(Value),
}

/// The form of a [`TargetPart`] in a proof, with at most one of the three fields.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenWhat {
    resource_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parsed: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

impl TryFrom<WrittenWhat> for TargetPart {
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

impl From<TargetPart> for WrittenWhat {
    fn from(what: TargetPart) -> Self {
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
    /// Creates the details from the database's text, for the format of the record's batch.
    #[must_use]
    pub fn of(format: Format, text: Text) -> Self {
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
    /// Present, with the salt of its commitment.
    #[serde(deserialize_with = "open", bound(deserialize = "T: Deserialize<'de>"))]
    Open {
        /// The values.
        value: T,
        /// 16 random bytes, in hexadecimal.
        salt: Salt,
    },
    /// Erased; only the commitment remains.
    Erased(Digest),
}

/// Reads an open part from objects only.
fn open<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> std::result::Result<(T, Salt), D::Error> {
    #[derive(Deserialize)]
    struct Opened<T> {
        #[serde(deserialize_with = "object", bound(deserialize = "T: Deserialize<'de>"))]
        value: T,
        salt: Salt,
    }
    object(deserializer).map(|Opened { value, salt }| (value, salt))
}

/// 16 random bytes that prevent guessing an erased value.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// Creates `count` random salts with one call to the system. Fails with [`Error::Cryptography`] if it provides no
    /// randomness.
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

/// The salts and commitments of a sealed record's parts. Each part has its salt until it is erased, and its commitment
/// from then on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commitments {
    /// The salt of the actor part.
    pub who_salt: Option<Salt>,
    /// The salt of the target part.
    pub what_salt: Option<Salt>,
    /// The commitment of the erased actor part.
    pub who: Option<Digest>,
    /// The commitment of the erased target part.
    pub what: Option<Digest>,
}

impl Commitments {
    /// Creates the commitments of a record with both parts.
    #[must_use]
    pub fn fresh(who: Salt, what: Salt) -> Self {
        Self { who_salt: Some(who), what_salt: Some(what), who: None, what: None }
    }

    /// Returns the actor part as it was sealed. It counts as erased if no value is left and the actor is `erased`.
    #[must_use]
    pub fn who(&self, value: ActorPart) -> Part<ActorPart> {
        let actor = "erased".into();
        let nobody = ActorPart { actor, on_behalf_of: None, address: None, user_agent: None, correlation: None };
        part(value, &nobody, self.who_salt, self.who)
    }

    /// Returns the target part, likewise.
    #[must_use]
    pub fn what(&self, value: TargetPart) -> Part<TargetPart> {
        part(value, &TargetPart { resource_id: None, details: None }, self.what_salt, self.what)
    }
}

/// Values next to the commitment of an erased part match no sealed record.
fn part<T: PartialEq>(value: T, erased: &T, salt: Option<Salt>, commitment: Option<Digest>) -> Part<T> {
    match (salt, commitment) {
        (Some(salt), None) => Part::Open { value, salt },
        (None, Some(commitment)) if value == *erased => Part::Erased(commitment),
        _ => Part::Open { value, salt: Salt([0; 16]) },
    }
}

/// A part with a commitment.
pub trait Committed {
    /// Returns `SHA-256(kind || salt || values)`.
    fn commitment(&self, salt: &Salt) -> Digest;
}

impl Committed for ActorPart {
    fn commitment(&self, salt: &Salt) -> Digest {
        let bytes = Encoding::of("rylie audit who 1").raw(&salt.0).value(&self.actor);
        let bytes = bytes.optional(self.on_behalf_of.as_ref()).optional(self.address.as_ref());
        let bytes = bytes.optional(self.user_agent.as_ref()).optional(self.correlation.as_ref());
        Digest::of(&bytes.into_bytes())
    }
}

impl Committed for TargetPart {
    fn commitment(&self, salt: &Salt) -> Digest {
        let bytes = Encoding::of("rylie audit what 1").raw(&salt.0).optional(self.resource_id.as_ref());
        let bytes = match &self.details {
            Some(Document::Text(text)) => bytes.raw(&[2]).value(text),
            // Text that is long, nested too deep, or has an invalid number, counts as a string.
            Some(Document::Parsed(text)) => match text.whole().map(serde_json::from_str::<Value>) {
                Some(Ok(document)) => bytes.raw(&[1]).json(&document),
                _ => bytes.raw(b"\x01s").value(text),
            },
            Some(Document::Value(document)) => bytes.raw(&[1]).json(document),
            None => bytes.raw(&[0]),
        };
        Digest::of(&bytes.into_bytes())
    }
}

impl<T: Committed> Part<T> {
    /// Returns the commitment, computed or stored.
    pub fn commitment(&self) -> Digest {
        match self {
            Self::Open { value, salt } => value.commitment(salt),
            Self::Erased(commitment) => *commitment,
        }
    }
}

impl Record {
    /// Returns the hash of the record's leaf in its tenant's tree.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        let kind = if self.unreadable.is_some() { "rylie audit record 2" } else { "rylie audit record 1" };
        let bytes = Encoding::of(kind).text(&self.id).text(&self.tenant).signed(self.created_at);
        let bytes = match self.position {
            Some(position) => bytes.raw(&[1]).signed(position),
            None => bytes.raw(&[0]),
        };
        let bytes = bytes.value(&self.action).value(&self.resource);
        let bytes = bytes.raw(&self.who.commitment().0).raw(&self.what.commitment().0);
        let bytes = match &self.unreadable {
            Some(value) => bytes.text(value),
            None => bytes,
        };
        leaf_hash(&bytes.into_bytes())
    }

    /// Returns the sort key in the tenant's tree of a batch: records without a position first, by time and id.
    #[must_use]
    pub fn order(&self) -> (Option<i64>, i64, String) {
        match self.position {
            Some(position) => (Some(position), 0, String::new()),
            None => (None, self.created_at, self.id.clone()),
        }
    }
}
