//! The format `age`, by its library.

use std::io::{Error as IoError, Read, Result as IoResult, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519;
use age::{DecryptError, Decryptor, Encryptor};
use rylie_crypto::Secret;

use crate::error::{Error, Result};

/// How the line of an identity begins.
const IDENTITY: &str = "AGE-SECRET-KEY-1";

/// The recipient of an encrypted file.
#[derive(Clone)]
pub(in crate::backup) struct Recipient(x25519::Recipient);

/// Identities, any of which may open a file.
#[derive(Clone)]
pub(in crate::backup) struct Identity(Vec<x25519::Identity>);

impl Recipient {
    pub(in crate::backup) fn parse(text: &str) -> Result<Self> {
        let wrong = |_| Error::invalid("the recipient of an encrypted backup", "it must be `keyring`, or `age1…`");
        x25519::Recipient::from_str(text).map(Self).map_err(wrong)
    }

    pub(in crate::backup) fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl Identity {
    #[expect(clippy::unnecessary_wraps, reason = "without the feature there is none")]
    pub(in crate::backup) fn generate() -> Result<Self> {
        Ok(Self(vec![x25519::Identity::generate()]))
    }

    /// Reads the lines of a file of identities; others are passed over.
    pub(in crate::backup) fn parse(text: &Secret<String>) -> Result<Self> {
        let wrong = || Error::invalid("the identity", "its file must have a line that begins with AGE-SECRET-KEY-1");
        let lines = text.expose().lines().map(str::trim).filter(|line| line.starts_with(IDENTITY));
        let identities: std::result::Result<Vec<_>, _> = lines.map(x25519::Identity::from_str).collect();
        match identities {
            Ok(identities) if !identities.is_empty() => Ok(Self(identities)),
            _ => Err(wrong()),
        }
    }

    pub(in crate::backup) fn to_secret(&self) -> Secret<String> {
        let texts = self.0.iter().map(|identity| identity.to_string().expose_secret().to_owned());
        Secret::new(texts.collect::<Vec<_>>().join("\n"))
    }

    pub(in crate::backup) fn recipient(&self) -> Result<Recipient> {
        let first = self.0.first().map(|identity| Recipient(identity.to_public()));
        first.ok_or_else(|| Error::invalid("the identity", "it must not be empty"))
    }
}

/// Encrypts what `write` writes, and ends the stream. A reader notices a missing end.
pub(in crate::backup) fn encrypted<W: Write>(
    recipient: &Recipient,
    to: W,
    write: impl FnOnce(&mut dyn Write) -> IoResult<()>,
) -> IoResult<W> {
    let recipients = std::iter::once(&recipient.0 as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(recipients).map_err(IoError::other)?;
    let mut stream = encryptor.wrap_output(to)?;
    write(&mut stream)?;
    stream.finish()
}

/// Reads the plain bytes of an encrypted stream. A changed, cut, reordered or extended stream is an error at the place where
/// it shows; no byte is returned that was not authentic. [`Error::BackupLocked`] for a key that does not open it.
pub(in crate::backup) fn decrypted(
    identity: &Identity,
    id: &str,
    from: Box<dyn Read + Send>,
) -> Result<Box<dyn Read + Send>> {
    let failed = |error: DecryptError| match error {
        DecryptError::Io(source) => Error::File { doing: format!("reading the backup {id}"), source },
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed | DecryptError::DecryptionFailed => {
            Error::BackupLocked { id: id.to_owned(), reason: "the key does not open it".to_owned() }
        }
        _ => Error::BackupDamaged { id: id.to_owned(), reason: "the head of an encrypted file is damaged".to_owned() },
    };
    let decryptor = Decryptor::new(from).map_err(failed)?;
    let reader = decryptor.decrypt(identity.0.iter().map(|identity| identity as &dyn age::Identity)).map_err(failed)?;
    Ok(Box::new(reader))
}
