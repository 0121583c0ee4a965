//! A text of a record. A long one is represented by its length and digest, so that a record of any size is hashed in
//! bounded memory.

use ring::digest::{Context, SHA256};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

/// A text of a record: whole, or the length and the SHA-256 of one that has more than [`Text::LONGEST`] bytes. Both
/// forms of a long text are equal and hashed alike.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text(Form);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Form {
    Whole(String),
    Long(LongText),
}

/// The length and the digest of a long text. In JSON an object, `{"bytes": 16777217, "sha256": "…"}`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongText {
    bytes: u64,
    sha256: Digest,
}

impl Text {
    /// The maximum number of UTF-8 bytes of a text that is hashed as it is: 16 MiB.
    pub const LONGEST: u64 = 16 << 20;

    /// Returns the text; `None` for a long one.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        match &self.0 {
            Form::Whole(text) => Some(text),
            Form::Long(_) => None,
        }
    }

    /// Returns the length and digest of a long text.
    #[must_use]
    pub fn long(&self) -> Option<LongText> {
        match self.0 {
            Form::Whole(_) => None,
            Form::Long(long) => Some(long),
        }
    }
}

impl LongText {
    /// Creates the representation of a text of this many bytes. `None` if it is not longer than [`Text::LONGEST`].
    #[must_use]
    pub fn new(bytes: u64, sha256: Digest) -> Option<Self> {
        (bytes > Text::LONGEST).then_some(Self { bytes, sha256 })
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// Returns the SHA-256 of the bytes.
    #[must_use]
    pub fn sha256(self) -> Digest {
        self.sha256
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let is_long = text.len() as u64 > Self::LONGEST;
        match Some(text.as_bytes()).filter(|_| is_long).and_then(|bytes| TextDigest::default().add(bytes).long()) {
            Some(long) => long.into(),
            None => Self(Form::Whole(text)),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<LongText> for Text {
    fn from(long: LongText) -> Self {
        Self(Form::Long(long))
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Form::Whole(String::new()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.whole() == Some(other)
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Whole(text) => to.serialize_str(text),
            Form::Long(long) => long.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

/// Reads a string, or the object of a long text.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string, or an object with the length and digest of a long text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Text, A::Error> {
        let LongText { bytes, sha256 } = LongText::deserialize(MapAccessDeserializer::new(members))?;
        LongText::new(bytes, sha256).map(Text::from).ok_or_else(|| A::Error::custom("the text is not long"))
    }
}

/// Computes the length and digest of a text that is given in pieces.
#[derive(Clone)]
pub struct TextDigest {
    bytes: u64,
    digest: Context,
}

impl Default for TextDigest {
    fn default() -> Self {
        Self { bytes: 0, digest: Context::new(&SHA256) }
    }
}

impl TextDigest {
    /// Appends a piece.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a piece is no digest, so the operator would mislead")]
    pub fn add(mut self, piece: &[u8]) -> Self {
        self.bytes += piece.len() as u64;
        self.digest.update(piece);
        self
    }

    /// Returns the representation of the text; `None` if it is not longer than [`Text::LONGEST`].
    #[must_use]
    pub fn long(self) -> Option<LongText> {
        LongText::new(self.bytes, Digest::from_bytes(self.digest.finish().as_ref())?)
    }
}

impl std::fmt::Debug for TextDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextDigest").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_long_from_one_byte_more_on() {
        let most = usize::try_from(Text::LONGEST).unwrap();
        let (whole, long) = (Text::from("x".repeat(most)), Text::from("x".repeat(most + 1)));

        assert_eq!((whole.whole().map(str::len), whole.long()), (Some(most), None));
        assert_eq!(long.whole(), None);
        let json = serde_json::to_string(&long).unwrap();
        assert_eq!(json, format!("{{\"bytes\":16777217,\"sha256\":\"{}\"}}", long.long().unwrap().sha256()));
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), long);
        let pieces = TextDigest::default().add(&vec![b'x'; most]).add(b"x");
        assert_eq!(pieces.long().map(Text::from), Some(long));
    }

    #[test]
    fn a_digest_of_a_short_text_and_other_types_are_refused() {
        let digest = "0".repeat(64);
        for wrong in [
            format!("{{\"bytes\":16777216,\"sha256\":\"{digest}\"}}"),
            format!("{{\"bytes\":16777217,\"sha256\":\"{digest}\",\"more\":1}}"),
            format!("[16777217,\"{digest}\"]"),
            "{}".to_owned(),
            "7".to_owned(),
            "null".to_owned(),
        ] {
            assert!(serde_json::from_str::<Text>(&wrong).is_err(), "{wrong}");
        }
    }
}
