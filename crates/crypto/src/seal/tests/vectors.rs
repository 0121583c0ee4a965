//! The test vectors of `docs/envelope-format.md`. Inputs are read from the document, and results are computed by this
//! crate. `UPDATE_SNAPSHOTS=1` writes the results into the document.

mod blocks;
mod lookup;
mod refused;
mod stored;

use std::num::NonZeroU16;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::*;
use blocks::{block, check, check_json};

fn keyring() -> Keyring {
    Keyring::parse(&block("keyring")).unwrap()
}

fn salt() -> [u8; SALT] {
    std::array::from_fn(|position| u8::try_from(position).unwrap())
}

#[derive(Deserialize, Serialize)]
struct Keys {
    salt: String,
    prk: String,
    k: String,
    commitment: String,
}

#[test]
fn the_derived_keys_are_as_documented() {
    let keyring = keyring();
    let (id, material) = keyring.active_material().unwrap();
    let document: serde_json::Value = serde_json::from_str(&block("keyring")).unwrap();
    let master = URL_SAFE_NO_PAD.decode(document["keys"][2]["key"].as_str().unwrap()).unwrap();
    let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"rylie-crypto 1"), &master);
    let key = MessageKey::derive(id, material, &salt()).unwrap();

    let keys = Keys {
        salt: hex::encode(salt()),
        prk: hex::encode(prk),
        k: hex::encode(&key.0[COMMIT_LABEL.len()..]),
        commitment: hex::encode(key.commitment()),
    };
    check("keys", |_| format!("{}\n", serde_json::to_string_pretty(&keys).unwrap()));
}

#[derive(Deserialize, Serialize)]
struct Vector {
    secret: String,
    padding: String,
    table: String,
    column: String,
    row: String,
    owner: String,
    #[serde(default)]
    aad: String,
    #[serde(default)]
    envelope: String,
}

impl Vector {
    fn binding(&self) -> Binding<'_> {
        Binding::new(&self.table, &self.column, &self.row, &self.owner)
    }

    fn padding(&self) -> Padding {
        match self.padding.as_str() {
            "none" => Padding::None,
            "padme" => Padding::Padme,
            size => Padding::Blocks(size.parse::<NonZeroU16>().unwrap()),
        }
    }
}

#[test]
fn envelopes_are_written_and_opened_as_documented() {
    check_json("envelopes", |vector: &mut Vector| {
        let sealed =
            keyring().seal_with(salt(), vector.secret.as_bytes(), &vector.binding(), vector.padding()).unwrap();
        assert_eq!(*keyring().open(&sealed, &vector.binding()).unwrap().expose(), vector.secret);
        vector.aad = hex::encode(vector.binding().associated_data(VERSION, sealed.key_id()));
        vector.envelope = sealed.into_text();
    });
}

#[derive(Deserialize, Serialize)]
struct WrappedKey {
    /// The id and the key, as a keyring without provider has it.
    id: String,
    key: String,
    #[serde(default)]
    wrapped: String,
}

#[test]
fn a_wrapped_key_is_read_as_documented() {
    check_json("wrapped", |vector: &mut WrappedKey| {
        let master = URL_SAFE_NO_PAD.decode(&vector.key).unwrap();
        let binding = Binding::new("keyring", "key", &vector.id, "");
        let sealed = keyring().seal_with(salt(), &master, &binding, Padding::None).unwrap();
        vector.wrapped = URL_SAFE_NO_PAD.encode(sealed.into_text());

        let document = |key: &str, value: &str| {
            format!(r#"{{"version":1,"keys":[{{"id":"{}","state":"active","{key}":"{value}"}}]}}"#, vector.id)
        };
        let inner = Keyring::parse_wrapped(&document("wrapped", &vector.wrapped), &keyring()).unwrap();
        assert_eq!(*inner.to_text().unwrap().expose(), document("key", &vector.key));
    });
}
