//! Passwords in the form that the server stores.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// PostgreSQL's own default (`scram_iterations` of version 16).
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// A password and its verifier: SCRAM-SHA-256 (RFC 5802, RFC 7677) in the form of `pg_authid.rolpassword`. The server, its
/// log and its statistics never see the password itself, which is wiped when the value is dropped. It is kept to find out
/// whether a login has it already.
#[derive(Clone, Eq, PartialEq)]
pub struct Password {
    text: Zeroizing<String>,
    verifier: String,
}

impl Password {
    /// Accepts printable ASCII only, because clients prepare other characters differently (RFC 4013).
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(Error::Usage(
                "a password needs at least one character, all of them printable ASCII".to_owned(),
            ));
        }
        let mut salt = [0; 16];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| Error::Usage("the operating system provided no random numbers".to_owned()))?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), verifier: verifier(text, &salt) })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn verifier(&self) -> &str {
        &self.verifier
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password]")
    }
}

fn verifier(text: &str, salt: &[u8]) -> String {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, text.as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored = digest::digest(&digest::SHA256, hmac::sign(&key, b"Client Key").as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored.as_ref()),
        STANDARD.encode(server.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3: user `user`, password `pencil`. The server signature follows from the keys.
    #[test]
    fn the_keys_are_those_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier("pencil", &salt);
        let server_key = STANDARD.decode(verifier.rsplit_once(':').unwrap().1).unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &server_key), message.as_bytes());

        assert_eq!(STANDARD.encode(signature.as_ref()), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn it_is_never_shown_and_odd_ones_are_refused() {
        assert_eq!(format!("{:?}", Password::new("canary").unwrap()), "[password]");
        assert!(Password::new("").is_err());
        for odd in ["canary ä", "canary\n", "canary\u{7f}"] {
            assert!(!Password::new(odd).unwrap_err().to_string().contains("canary"));
        }
    }
}
