//! A JSON document that the audit log's key has signed: a backup's manifest digest, a recovery certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::signed_text::SignedText;
use crate::{Error, PublicKey, Result, SigningKey};

/// A JSON document with its signature, as a text of four lines: its kind, the document, the key and the signature.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedDocument {
    /// The document.
    pub document: Value,
    /// The key that signed it. The caller decides whether this key is trusted.
    pub key: PublicKey,
}

impl SignedDocument {
    /// Returns the signed text. `kind` names what the document is, such as `recovery certificate`; a text of one kind is
    /// not accepted as another.
    #[must_use]
    pub fn sign(kind: &str, document: &Value, key: &SigningKey) -> String {
        let body = body(kind, &document.to_string(), key.public());
        let signature = STANDARD.encode(key.sign(body.as_bytes()));
        format!("{body}signature {signature}\n")
    }

    /// Reads a text whose signature is valid under the key that it names. [`Error::Malformed`] for any other text.
    pub fn parse(kind: &'static str, text: &str) -> Result<Self> {
        let mut text = SignedText::open(kind, &first_line(kind), text)?;
        let line = text.field("document")?;
        let document = serde_json::from_str(line)
            .map_err(|_| Error::Malformed { what: kind, reason: "its document is no JSON" })?;
        let key = text.key()?;
        text.end(key, &body(kind, line, key))?;
        Ok(Self { document, key })
    }
}

fn first_line(kind: &str) -> String {
    format!("rylie {kind} 1")
}

fn body(kind: &str, document: &str, key: PublicKey) -> String {
    format!("{}\ndocument {document}\nkey {key}\n", first_line(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::SignedDocument;
    use crate::SigningKey;

    fn key() -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::create(&folder.path().join("key")).unwrap()
    }

    #[test]
    fn a_signed_document_is_read_back_with_its_key() {
        let (key, document) = (key(), json!({ "id": "one", "rows": 3 }));
        let read = SignedDocument::parse("receipt", &SignedDocument::sign("receipt", &document, &key)).unwrap();

        assert_eq!((read.document, read.key), (document, key.public()));
    }

    #[test]
    fn a_changed_document_and_one_of_another_kind_are_refused() {
        let text = SignedDocument::sign("receipt", &json!({ "rows": 3 }), &key());

        for (kind, text) in [
            ("receipt", text.replace(":3", ":4")),
            ("invoice", text.clone()),
            ("receipt", text.replace("receipt", "invoice")),
            ("receipt", text.replacen("document ", "document  ", 1)),
            ("receipt", text.lines().take(3).collect()),
        ] {
            assert!(SignedDocument::parse(kind, &text).is_err(), "{text}");
        }
        assert!(SignedDocument::parse("receipt", &text).is_ok());
    }
}
