//! The bytes that are hashed. Each part is preceded by its length, so that no two values share an encoding.

use serde_json::{Number, Value};

use crate::Text;

/// The length of an absent text.
const ABSENT: u32 = u32::MAX;

/// The length before the length and digest of a long text. No text has it.
const LONG: u32 = u32::MAX - 1;

/// An encoding under construction.
#[derive(Default)]
pub(crate) struct Encoding(Vec<u8>);

impl Encoding {
    /// Starts with a label that separates this kind of value from all others.
    pub(crate) fn of(kind: &str) -> Self {
        Self::default().text(kind)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends the length in bytes (32 bits, big-endian) and the UTF-8.
    pub(crate) fn text(self, text: &str) -> Self {
        self.length(text.len()).raw(text.as_bytes())
    }

    /// Appends a text of a record: a long one as `0xfffffffe`, its length (64 bits) and its digest.
    pub(crate) fn value(self, text: &Text) -> Self {
        match (text.whole(), text.long()) {
            (_, Some(long)) => self.raw(&LONG.to_be_bytes()).number(long.bytes()).raw(&long.sha256().0),
            (text, None) => self.text(text.unwrap_or_default()),
        }
    }

    /// Appends a text of a record, or `0xffffffff` if absent.
    pub(crate) fn optional(self, text: Option<&Text>) -> Self {
        match text {
            Some(text) => self.value(text),
            None => self.raw(&ABSENT.to_be_bytes()),
        }
    }

    pub(crate) fn number(self, number: u64) -> Self {
        self.raw(&number.to_be_bytes())
    }

    pub(crate) fn signed(self, number: i64) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Appends the meaning of a JSON document, not its text: PostgreSQL orders the members of an object and SQLite does
    /// not.
    pub(crate) fn json(self, value: &Value) -> Self {
        match value {
            Value::Null => self.raw(b"n"),
            Value::Bool(false) => self.raw(b"f"),
            Value::Bool(true) => self.raw(b"t"),
            Value::Number(number) => self.json_number(number),
            Value::String(text) => self.raw(b"s").text(text),
            Value::Array(items) => items.iter().fold(self.raw(b"a").length(items.len()), Self::json),
            Value::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| name.as_bytes());
                let start = self.raw(b"o").length(members.len());
                sorted.into_iter().fold(start, |bytes, (name, value)| bytes.text(name).json(value))
            }
        }
    }

    fn json_number(self, number: &Number) -> Self {
        match number.as_f64() {
            _ if number.is_i64() || number.is_u64() => self.raw(b"i").text(&number.to_string()),
            Some(double) => self.raw(b"d").raw(&double.to_be_bytes()),
            None => self.raw(b"i").text(&number.to_string()),
        }
    }

    fn length(self, length: usize) -> Self {
        // Only texts that are short, and parts of a document, are given with their length.
        self.raw(&u32::try_from(length).unwrap_or(LONG - 1).to_be_bytes())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
