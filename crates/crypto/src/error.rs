//! What can go wrong, without a secret in any message.

use std::io;
use std::path::PathBuf;

use crate::form::StoredForm;
use crate::keyring::KeyId;

/// What a provider says went wrong. Keep keys out of it: it is printed as the source of an error.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not sealed, opened or loaded.
///
/// No message and no field holds a secret, a plain text or a ciphertext; key ids, paths and the names of
/// variables appear. Only the sources of [`Error::Provider`] are another's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gave no random bytes.
    #[error("drawing random bytes: the operating system gave none; nothing was sealed, try again")]
    Randomness,

    /// The value exceeds what the cipher can take in one message (AES-GCM: 64 GiB).
    #[error("sealing a value: it is too long for one message")]
    TooLong,

    /// The text is no envelope of a version this crate knows, or not in its one canonical spelling.
    #[error("reading an envelope: {reason}; restore the value from where it was written")]
    NotAnEnvelope {
        /// The first rule the text breaks.
        reason: &'static str,
    },

    /// The keyring has never had the key that the value names.
    #[error("looking up key {key}: this keyring has no such key; load the keyring that sealed the value")]
    UnknownKey {
        /// The id the value names.
        key: KeyId,
    },

    /// The key that the value names was destroyed, so the value is gone for good.
    #[error("looking up key {key}: it was destroyed, and nothing sealed with it can be opened again")]
    KeyDestroyed {
        /// The id the value names.
        key: KeyId,
    },

    /// The value was changed, stands where it was not sealed for, or was sealed by another key of this id.
    #[error(
        "opening a sealed value: it does not belong to this table, column, row, tenant and key, or was changed; \
         check the binding, then restore the value"
    )]
    NotAuthentic,

    /// The value opened, and is not UTF-8.
    #[error("opening a sealed value as text: it holds other bytes; open it as bytes")]
    NotText,

    /// A key id is not 1 to 32 characters of `a-z`, `0-9` and `-`.
    #[error("reading a key id: it must be 1 to 32 characters of a-z, 0-9 and -")]
    BadKeyId,

    /// A key is not random enough to be one.
    #[error("loading key {key}: {reason}; generate a key instead of writing one")]
    WeakKey {
        /// The key refused.
        key: KeyId,
        /// The rule it breaks.
        reason: &'static str,
    },

    /// Two keys of a keyring have one id.
    #[error("loading key {key}: another key of this keyring has the same id; give each its own")]
    DuplicateKeyId {
        /// The id used twice.
        key: KeyId,
    },

    /// Two ids of a keyring hold the same key, so destroying one would destroy nothing.
    #[error("loading key {key}: it is the same key as {other}; remove one of the two")]
    DuplicateKey {
        /// The later one.
        key: KeyId,
        /// The earlier one.
        other: KeyId,
    },

    /// A keyring seals with exactly one key.
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

    /// The keyring's text is not the JSON document of a keyring. The parser's own words are left out: they quote the text.
    #[error(
        "reading a keyring: not a keyring document at line {line}, column {column}; compare it with a generated one"
    )]
    KeyringSyntax {
        /// Counted from 1; 0 when not known.
        line: usize,
        /// Counted from 1; 0 when not known.
        column: usize,
    },

    /// One entry of the keyring's document is not right.
    #[error("loading key {key}: {reason}")]
    KeyringEntry {
        /// The entry's id.
        key: KeyId,
        /// What is wrong, and what to do.
        reason: &'static str,
    },

    /// The key file, or the folder it is in, cannot be used.
    #[error("{doing} {}", path.display())]
    KeyFile {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// Others than its owner may read or write the key file.
    #[error("reading key file {}: its mode {mode:o} lets others in; chmod 600 it, and rotate if others have read it", path.display())]
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// A new keyring would overwrite one whose keys may be in use.
    #[error("creating key file {}: there is one already; rotate it, or choose another path", path.display())]
    KeyFileExists {
        /// The file.
        path: PathBuf,
    },

    /// The environment has no such variable, or not as text.
    #[error("reading a keyring from the environment: {name} is not set to a text")]
    Environment {
        /// The variable's name.
        name: String,
    },

    /// The key provider did not wrap or unwrap a key.
    #[error("{doing} key {key}: the key provider failed")]
    Provider {
        /// What was being done.
        doing: &'static str,
        /// The key concerned.
        key: KeyId,
        /// What the provider said.
        source: ProviderError,
    },

    /// The platform's `ENCRYPTION_KEY` has fewer than 32 characters; the platform itself would not have started.
    #[error("reading the legacy key: it must have at least 32 characters; use the platform's ENCRYPTION_KEY as it was")]
    LegacyKeyTooShort,

    /// The first 32 characters of `ENCRYPTION_KEY` are not 32 bytes: node's AES-256-CBC throws on such a key.
    #[error(
        "opening an AES-256-CBC value: the legacy key's first 32 characters are not 32 bytes, so this key never sealed one; \
         use the key that did"
    )]
    LegacyKeyNotForCbc,

    /// The column's policy needs the platform's key, and none was given.
    #[error("preparing a column: its policy reads or writes the platform's forms; give the legacy key")]
    LegacyKeyMissing,

    /// A value in one of the platform's forms does not open with the legacy key.
    #[error(
        "opening a {form} value: wrong legacy key, or the value was changed; try the key in use when it was written"
    )]
    LegacyUnreadable {
        /// The form the value has.
        form: StoredForm,
    },

    /// The column's policy has switched this form off.
    #[error(
        "opening a {form} value: the column's policy does not accept this form; re-encrypt the column, or accept it"
    )]
    FormNotAccepted {
        /// The form the value has.
        form: StoredForm,
    },

    /// The value begins like a sealed one and is none: cut off, changed, or of a later version.
    #[error("opening a stored value: it begins like a sealed one and is damaged; restore it from where it was written")]
    Damaged,

    /// A column must accept the form that it writes.
    #[error("preparing a column: its policy writes a form of the old service without accepting it; accept it")]
    PolicyContradiction,

    /// A value to be stored as plain text looks like a ciphertext.
    #[error(
        "storing a value as plain text: it has the form of a ciphertext and could not be read again; seal the column"
    )]
    NotPlain,

    /// The text is no fingerprint of a blind index.
    #[error("reading a fingerprint: not in the form this crate writes; rebuild the index")]
    NotAFingerprint,
}
