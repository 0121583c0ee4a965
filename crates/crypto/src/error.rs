//! Errors. No message contains a secret.

use std::io;
use std::path::PathBuf;

use crate::form::StoredForm;
use crate::keyring::KeyId;

/// An error of a provider. It must not contain keys, because it is printed as the source of an error.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a value was not sealed, opened or loaded.
///
/// No message and no field contains a secret, a plain text or a ciphertext. Key ids, paths and names of variables
/// appear. The text of a provider's error is the source of [`Error::Provider`] only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system returned no random bytes.
    #[error("drawing random bytes: the operating system returned none; nothing was sealed; try again")]
    Randomness,

    /// The value exceeds the limit of the cipher for one message (AES-GCM: 64 GiB).
    #[error("sealing a value: it exceeds 64 GiB, the limit of AES-GCM; store it in parts")]
    TooLong,

    /// The text is not an envelope of a known version in its canonical spelling.
    #[error("reading an envelope: {reason}; restore the value from a backup")]
    NotAnEnvelope {
        /// The first rule the text breaks.
        reason: &'static str,
    },

    /// The keyring has never had the key of this value.
    #[error("looking up key {key}: this keyring has no such key; load the keyring that sealed the value")]
    UnknownKey {
        /// The key id in the value.
        key: KeyId,
    },

    /// The key of this value was destroyed, so the value is lost.
    #[error("looking up key {key}: it was destroyed; its values cannot be opened any more")]
    KeyDestroyed {
        /// The key id in the value.
        key: KeyId,
    },

    /// The value was changed, has another binding, or was sealed by another key with this id.
    #[error(
        "opening a sealed value: it does not match this table, column, row, owner and key, or was changed; \
         check the binding, or restore the value"
    )]
    NotAuthentic,

    /// The value opened, but is not UTF-8.
    #[error("opening a sealed value as text: it is not UTF-8; open it as bytes")]
    NotText,

    /// A key id is not 1 to 32 characters of `a-z`, `0-9` and `-`.
    #[error("reading a key id: it must be 1 to 32 characters of a-z, 0-9 and -")]
    BadKeyId,

    /// A key is not random enough.
    #[error("loading key {key}: {reason}; generate a key instead of writing one")]
    WeakKey {
        /// The rejected key.
        key: KeyId,
        /// The rule that it breaks.
        reason: &'static str,
    },

    /// Two keys of a keyring have the same id.
    #[error("loading key {key}: another key of this keyring has the same id; use a distinct id for each key")]
    DuplicateKeyId {
        /// The duplicate id.
        key: KeyId,
    },

    /// Two ids of a keyring have the same key, so destroying one would have no effect.
    #[error("loading key {key}: it is the same key as {other}; remove one of the two")]
    DuplicateKey {
        /// The later one.
        key: KeyId,
        /// The earlier one.
        other: KeyId,
    },

    /// A keyring must have exactly one active key.
    #[error("loading a keyring: it has {count} active keys; mark exactly one as active")]
    ActiveKeys {
        /// How many are marked as active.
        count: usize,
    },

    /// The active key cannot be destroyed.
    #[error("destroying key {key}: it is the active key; rotate and re-encrypt first")]
    KeyIsActive {
        /// The active key.
        key: KeyId,
    },

    /// The keyring's text is not a keyring document in JSON. The parser's message is omitted because it quotes the
    /// text.
    #[error(
        "reading a keyring: not a keyring document at line {line}, column {column}; compare it with a generated one"
    )]
    KeyringSyntax {
        /// Counted from 1; 0 if unknown.
        line: usize,
        /// Counted from 1; 0 if unknown.
        column: usize,
    },

    /// One entry of the keyring's document is invalid.
    #[error("loading key {key}: {reason}")]
    KeyringEntry {
        /// The entry's id.
        key: KeyId,
        /// The problem and its remedy.
        reason: &'static str,
    },

    /// The key file or its folder cannot be used.
    #[error("{doing} {}", path.display())]
    KeyFile {
        /// The operation that failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// Users other than its owner may read or write the key file.
    #[error("reading key file {}: its mode {mode:o} gives others access; run chmod 600, and rotate if others have read it", path.display())]
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// The path exists; creating the keyring would overwrite it.
    #[error("creating key file {}: it exists already; rotate it, or choose another path", path.display())]
    KeyFileExists {
        /// The file.
        path: PathBuf,
    },

    /// The environment variable is missing or not text.
    #[error("reading a keyring from the environment: {name} is not set or is not UTF-8; set it to a keyring document")]
    Environment {
        /// The variable's name.
        name: String,
    },

    /// The key provider did not wrap or unwrap a key.
    #[error("{doing} key {key}: the key provider failed")]
    Provider {
        /// The operation that failed.
        doing: &'static str,
        /// The key concerned.
        key: KeyId,
        /// The provider's error.
        source: ProviderError,
    },

    /// The platform's `ENCRYPTION_KEY` has fewer than 32 characters. The platform would not have started with it.
    #[error("reading the legacy key: it must have at least 32 characters; use the platform's ENCRYPTION_KEY unchanged")]
    LegacyKeyTooShort,

    /// The first 32 characters of `ENCRYPTION_KEY` are not 32 bytes. Node's AES-256-CBC rejects such keys.
    #[error(
        "opening an AES-256-CBC value: the legacy key's first 32 characters are not 32 bytes, so it cannot have sealed the value; \
         set ENCRYPTION_KEY to the key that sealed it"
    )]
    LegacyKeyNotForCbc,

    /// The column's policy needs the legacy key, and none was given.
    #[error(
        "preparing a column: its policy reads or writes legacy forms; configure the legacy key: set ENCRYPTION_KEY to the old service's"
    )]
    LegacyKeyMissing,

    /// A value in a legacy form does not open with the legacy key.
    #[error(
        "opening a {form} value: wrong legacy key, or the value was changed; set ENCRYPTION_KEY to the key in use when it was written"
    )]
    LegacyUnreadable {
        /// The value's form.
        form: StoredForm,
    },

    /// The column's policy does not accept this form.
    #[error(
        "opening a {form} value: the column's policy does not accept this form; re-encrypt the column, or accept it"
    )]
    FormNotAccepted {
        /// The value's form.
        form: StoredForm,
    },

    /// The value begins like an envelope but is not one: truncated, changed, or of a later version.
    #[error("opening a stored value: it begins like a sealed value but is damaged; restore it from a backup")]
    Damaged,

    /// A column must accept the form that it writes.
    #[error("preparing a column: its policy writes a legacy form that it does not accept; accept that form as well")]
    PolicyContradiction,

    /// A value to be stored as plain text looks like a ciphertext.
    #[error(
        "storing a value as plain text: it has the form of a ciphertext and could not be read back; seal the column"
    )]
    NotPlain,

    /// The text is not a fingerprint of a blind index.
    #[error("reading a fingerprint: it is not in the form that this crate writes; rebuild the index")]
    NotAFingerprint,
}
