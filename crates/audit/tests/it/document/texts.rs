//! Signed texts that differ from a checkpoint, and whether a reader accepts them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;
use rylie_audit::SignedCheckpoint;
use serde::{Deserialize, Serialize};

use super::blocks::check;
use super::{checkpoint, pkcs8};

#[derive(Deserialize, Serialize)]
struct Variant {
    change: String,
    accepted: bool,
    text: String,
}

/// Signs a body that no sealer would write.
fn signed(body: &str) -> String {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8()).unwrap();
    format!("{body}signature {}\n", STANDARD.encode(key.sign(body.as_bytes())))
}

fn texts() -> Vec<Variant> {
    let whole = checkpoint().to_text();
    let (body, signature) = whole.split_once("signature ").unwrap();
    let key = checkpoint().key().to_string();
    let other = |from: &str, to: &str| {
        assert!(body.contains(from), "{from}");
        signed(&body.replacen(from, to, 1))
    };
    let root = checkpoint().checkpoint().root.to_string();
    let last = if key.ends_with('B') { "C" } else { "B" };
    let unused_bits = format!("{}{last}", &key[..key.len() - 1]);
    [
        ("none", whole.clone()),
        ("no line feed at the end", whole.trim_end().to_owned()),
        ("white space at the end", format!("{} \t\r\n\n", whole.trim_end())),
        ("a database without a name", other("database 3f0c8f1e-7c55-4b0e-9d57-0b9f3f1c2a4d", "database ")),
        ("a carriage return before each line feed", signed(&body.replace('\n', "\r\n"))),
        ("another version", other("checkpoint 2", "checkpoint 3")),
        ("a leading zero", other("batch 2", "batch 02")),
        ("a sign", other("removed 1", "removed +1")),
        ("a number of more than 64 bits", other("batch 2", "batch 18446744073709551616")),
        ("a time without milliseconds", other("00:05:00.250Z", "00:05:00Z")),
        ("a time with an offset", other("00:05:00.250Z", "00:05:00.250+00:00")),
        ("a digest in upper case", other(&root, &root.to_uppercase())),
        ("a line twice", other("batch 2\n", "batch 2\nbatch 2\n")),
        ("two lines exchanged", other("records 7\ntotal 7\n", "total 7\nrecords 7\n")),
        ("a line too many", other("key ", "note x\nkey ")),
        ("an empty line before the signature", signed(&format!("{body}\n"))),
        ("two spaces", other("batch 2", "batch  2")),
        ("a key with unused bits", other(&key, &unused_bits)),
        ("white space before the text", signed(&format!("\n{body}"))),
        ("a signature without padding", format!("{body}signature {}\n", signature.trim_end().trim_end_matches('='))),
        ("another batch under the same signature", whole.replacen("batch 2", "batch 3", 1)),
        ("no signature", body.to_owned()),
    ]
    .map(|(change, text)| Variant { change: change.to_owned(), accepted: SignedCheckpoint::parse(&text).is_ok(), text })
    .into()
}

#[test]
fn texts_are_accepted_and_refused_as_documented() {
    let texts = texts();
    assert_eq!(texts.iter().filter(|text| text.accepted).count(), 4);
    check("texts", |_| super::blocks::lines(&texts));
}
