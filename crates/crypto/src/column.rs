//! Opens and seals the values of one column, legacy forms included.

use crate::{Binding, Error, Keyring, LegacyForms, LegacyKey, Padding, Result, Sealed, Secret, Stored, StoredForm};

/// The forms that a column accepts and writes. By default: only envelopes of this crate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ColumnPolicy {
    /// The legacy forms that still open. Envelopes of this crate always open.
    pub accepts: LegacyForms,
    /// The form of new values.
    pub writes: Writes,
}

/// The form in which new values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Writes {
    /// Sealed by the keyring's active key.
    Sealed(Padding),
    /// The platform's AES-256-GCM form, while the old service still reads the column. It is not bound to its row, and
    /// all values use one key.
    Compat,
    /// Plain text, while the old service still reads a column that it never encrypted.
    Plain,
}

impl Default for Writes {
    fn default() -> Self {
        Self::Sealed(Padding::None)
    }
}

/// Opens and seals the values of one column. Callers read secret columns only through it.
///
/// Cheap to create: it only borrows the keys.
#[derive(Clone, Copy, Debug)]
pub struct ColumnCipher<'k> {
    keyring: &'k Keyring,
    legacy: Option<&'k LegacyKey>,
    policy: ColumnPolicy,
}

impl<'k> ColumnCipher<'k> {
    /// Creates the cipher of a column. Fails with [`Error::LegacyKeyMissing`] if the policy needs a legacy key and none
    /// is given. Fails with [`Error::PolicyContradiction`] if the policy writes a form that it does not accept.
    pub const fn new(keyring: &'k Keyring, legacy: Option<&'k LegacyKey>, policy: ColumnPolicy) -> Result<Self> {
        let unread = match policy.writes {
            Writes::Sealed(_) => false,
            Writes::Compat => !policy.accepts.gcm,
            Writes::Plain => !policy.accepts.plain,
        };
        if unread {
            return Err(Error::PolicyContradiction);
        }
        if legacy.is_none() && (policy.accepts.cbc || policy.accepts.gcm) {
            return Err(Error::LegacyKeyMissing);
        }
        Ok(Self { keyring, legacy, policy })
    }

    /// Opens a stored text and returns its form. A value that does not decrypt is an error; it is never returned as
    /// plain text.
    ///
    /// Fails with [`Error::FormNotAccepted`] if the policy does not accept that form, and with [`Error::Damaged`] for a
    /// damaged envelope. An envelope fails as in [`Keyring::open`]. A value in a legacy form fails with
    /// [`Error::LegacyUnreadable`] or [`Error::LegacyKeyNotForCbc`].
    pub fn open(&self, stored: &str, binding: &Binding<'_>) -> Result<(Secret<String>, StoredForm)> {
        let form = StoredForm::of(stored);
        if !self.accepts(form) {
            return Err(Error::FormNotAccepted { form });
        }
        let legacy = self.legacy.ok_or(Error::LegacyKeyMissing);
        let secret = match form {
            StoredForm::Sealed => self.keyring.open(&Sealed::parse(stored)?, binding)?,
            StoredForm::LegacyCbc => legacy?.open_cbc(stored)?,
            StoredForm::LegacyGcm => legacy?.open_gcm(stored)?,
            StoredForm::Plain => Secret::from(stored),
            StoredForm::Damaged => return Err(Error::Damaged),
        };
        Ok((secret, form))
    }

    /// Seals a new value in the form that the policy writes.
    ///
    /// Fails with [`Error::NotPlain`] if that form is plain text and the value looks like one of the other forms. It
    /// would be read as that form. Otherwise it fails as [`Keyring::seal`] does.
    pub fn seal(&self, secret: &Secret<String>, binding: &Binding<'_>) -> Result<Stored> {
        match self.policy.writes {
            Writes::Sealed(padding) => self.keyring.seal(secret, binding, padding).map(Stored::from),
            Writes::Compat => self.legacy.ok_or(Error::LegacyKeyMissing)?.seal_gcm(secret).map(Stored::new),
            Writes::Plain if StoredForm::of(secret.expose()) != StoredForm::Plain => Err(Error::NotPlain),
            Writes::Plain => Ok(Stored::new(secret.expose().as_str())),
        }
    }

    /// Returns whether a stored text has the form and the key that a new value would have.
    pub fn is_current(&self, stored: &str) -> Result<bool> {
        Ok(match self.policy.writes {
            Writes::Sealed(_) => {
                let active = self.keyring.active()?;
                StoredForm::of(stored) == StoredForm::Sealed && Sealed::parse(stored)?.key_id() == active.as_str()
            }
            Writes::Compat => StoredForm::of(stored) == StoredForm::LegacyGcm,
            Writes::Plain => StoredForm::of(stored) == StoredForm::Plain,
        })
    }

    const fn accepts(&self, form: StoredForm) -> bool {
        match form {
            StoredForm::LegacyCbc => self.policy.accepts.cbc,
            StoredForm::LegacyGcm => self.policy.accepts.gcm,
            StoredForm::Plain => self.policy.accepts.plain,
            // `open` reports damage.
            StoredForm::Sealed | StoredForm::Damaged => true,
        }
    }
}
