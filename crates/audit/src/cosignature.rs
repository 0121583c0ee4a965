//! Cosignatures of witnesses: signed notes about the tree over a log's checkpoints.
//!
//! Formats: C2SP `tlog-checkpoint` and `tlog-cosignature` (`cosignature/v1`), <https://c2sp.org>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Digest, Error, PublicKey, Result, SigningKey};

/// The first part of the origin; the database follows.
pub(crate) const ORIGIN: &str = "rylie-audit/";

/// The byte of `cosignature/v1` in key ids and verifier keys.
const ALGORITHM: u8 = 4;

/// The beginning of a line with a signature: an em dash and a space.
pub(crate) const SIGNATURE: &str = "\u{2014} ";

/// The root of the tree over the first checkpoints of a log. Its leaves are the bodies of the checkpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TreeHead {
    /// The fingerprint that the last of these checkpoints names.
    pub database: String,
    /// The number of checkpoints, which is also the number of the last batch.
    pub size: u64,
    /// The root of the tree (RFC 9162, 2.1).
    pub root: Digest,
}

/// A witness's statement that it has seen a log up to a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cosignature {
    /// What the witness has seen.
    pub head: TreeHead,
    /// The time of the signature by the witness's clock, in seconds since 1970. It proves nothing.
    pub time: u64,
}

/// The public key of a witness, with its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessKey {
    name: String,
    key: PublicKey,
}

impl TreeHead {
    fn body(&self) -> String {
        format!("{ORIGIN}{}\n{}\n{}\n", self.database, self.size, STANDARD.encode(self.root.0))
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.split_terminator('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root = Digest::from_bytes(&STANDARD.decode(root).ok()?)?;
        let head = Self { database: origin.strip_prefix(ORIGIN)?.to_owned(), size: size.parse().ok()?, root };
        (head.body() == body).then_some(head)
    }
}

impl WitnessKey {
    /// Creates it. A name has 1 to 100 bytes, without spaces, `+` and control characters: [`Error::Malformed`] for any
    /// other.
    pub fn new(name: &str, key: PublicKey) -> Result<Self> {
        let forbidden = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
        if name.is_empty() || name.len() > 100 || name.contains(forbidden) {
            let reason = "its name must have 1 to 100 bytes, without spaces and `+`";
            return Err(Error::Malformed { what: "witness", reason });
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Parses the text that [`Display`](std::fmt::Display) writes: a verifier key, `NAME+ID+KEY`. Fails with
    /// [`Error::Malformed`] for another text.
    pub fn parse(text: &str) -> Result<Self> {
        let reason = "it must be the verifier key that `rylie audit witness` prints";
        let malformed = || Error::Malformed { what: "key of a witness", reason };
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let bytes = STANDARD.decode(key).map_err(|_| malformed())?;
        let [ALGORITHM, key @ ..] = &bytes[..] else { return Err(malformed()) };
        let witness = Self::new(name, PublicKey::of_bytes(key.try_into().map_err(|_| malformed())?))?;
        if hex::encode(witness.id()) == id { Ok(witness) } else { Err(malformed()) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether both name one witness, or share a key.
    pub(crate) fn same_witness(&self, other: &Self) -> bool {
        self.name == other.name || self.key == other.key
    }

    fn id(&self) -> [u8; 4] {
        let Digest([a, b, c, d, ..]) =
            Digest::of(&[self.name.as_bytes(), b"\n", &[ALGORITHM], self.key.bytes()].concat());
        [a, b, c, d]
    }
}

impl std::fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ALGORITHM], &self.key.bytes()[..]].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl Cosignature {
    /// Returns the signed note, for a file of statements. The key must be that of the witness.
    #[must_use]
    pub fn sign(&self, witness: &WitnessKey, key: &SigningKey) -> String {
        let body = self.head.body();
        let signature = key.sign(message(self.time, &body).as_bytes());
        let line = STANDARD.encode([&witness.id()[..], &self.time.to_be_bytes(), &signature].concat());
        format!("{body}\n{SIGNATURE}{} {line}\n", witness.name)
    }

    /// Parses a note and returns the statement of this witness. `None` if the witness has not signed it: other
    /// signatures are ignored. [`Error::Malformed`] for a text that is no note, and for a signature of this witness that
    /// does not hold.
    pub fn parse(note: &str, witness: &WitnessKey) -> Result<Option<Self>> {
        let malformed = |reason| Error::Malformed { what: "statement of a witness", reason };
        let (body, signatures) = note.split_once("\n\n").ok_or(malformed("it has no signature"))?;
        let body = format!("{body}\n");
        let head = TreeHead::parse(&body).ok_or(malformed("it is not about an audit log of ours"))?;
        let mut found = None;
        for line in signatures.split_terminator('\n') {
            let line = line.strip_prefix(SIGNATURE).and_then(|line| line.split_once(' '));
            let (name, text) = line.ok_or(malformed("a line is no signature"))?;
            let bytes = STANDARD.decode(text).map_err(|_| malformed("a signature is not base64"))?;
            if name != witness.name || !bytes.starts_with(&witness.id()) {
                continue;
            }
            let (time, signature) =
                bytes[4..].split_first_chunk().ok_or(malformed("the signature of the witness has the wrong length"))?;
            let time = u64::from_be_bytes(*time);
            if !witness.key.verifies(message(time, &body).as_bytes(), signature) {
                return Err(malformed("the signature of the witness is invalid"));
            }
            found = Some(Self { head: head.clone(), time });
        }
        Ok(found)
    }
}

fn message(time: u64, body: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{body}")
}
