#![doc = include_str!("../README.md")]

mod binding;
mod blind_index;
mod column;
mod envelope;
mod error;
mod form;
mod kdf;
mod keyring;
mod legacy;
mod object;
mod owner_only;
mod padding;
mod random;
mod seal;
mod secret;
mod stored;

pub use binding::Binding;
pub use blind_index::{BlindIndex, Fingerprint, Lookup, Normalisation};
pub use column::{ColumnCipher, ColumnPolicy, Writes};
pub use envelope::Sealed;
pub use error::{Error, ProviderError, Result};
pub use form::StoredForm;
pub use keyring::{KeyFile, KeyId, KeyProvider, KeyState, Keyring};
pub use legacy::{LegacyForms, LegacyKey};
#[doc(hidden)]
pub use object::{Object, object};
pub use owner_only::{exposed_mode, owner_only};
pub use padding::Padding;
pub use secret::Secret;
pub use stored::Stored;
