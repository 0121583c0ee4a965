//! How one column's values are opened and sealed while the platform's forms are still about.

use crate::{Binding, Error, Keyring, LegacyForms, LegacyKey, Padding, Result, Sealed, Secret, Stored, StoredForm};

/// What one column accepts and what it writes. Unless said otherwise: envelopes of this crate only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ColumnPolicy {
    /// The forms from before that still open. Envelopes of this crate always do.
    pub accepts: LegacyForms,
    /// The form of new values.
    pub writes: Writes,
}

/// The form in which new values are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Writes {
    /// Sealed by the keyring's active key.
    Sealed(Padding),
    /// The platform's AES-256-GCM form, while its old service still reads the column. Not bound to its row, and
    /// under one key for all.
    Compat,
    /// Plain text, while the old service still reads a column that it never encrypted.
    Plain,
}

impl Default for Writes {
    fn default() -> Self {
        Self::Sealed(Padding::None)
    }
}

/// Opens and seals the values of one column: the one door through which a caller reads a secret column.
///
/// Made where it is needed; it only borrows the keys.
#[derive(Clone, Copy, Debug)]
pub struct ColumnCipher<'k> {
    keyring: &'k Keyring,
    legacy: Option<&'k LegacyKey>,
    policy: ColumnPolicy,
}

impl<'k> ColumnCipher<'k> {
    /// Refuses a policy that needs a legacy key without one, or that writes a form it does not accept.
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

    /// Opens a stored text, and tells the form it was in. A form that is switched off is refused, and a value
    /// that does not open is an error: never taken for plain text.
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

    /// Seals a new value in the form the policy writes.
    ///
    /// [`Error::NotPlain`] where that is plain text and the value looks like one of the other forms: it could not be
    /// told from them again.
    pub fn seal(&self, secret: &Secret<String>, binding: &Binding<'_>) -> Result<Stored> {
        match self.policy.writes {
            Writes::Sealed(padding) => self.keyring.seal(secret, binding, padding).map(Stored::from),
            Writes::Compat => self.legacy.ok_or(Error::LegacyKeyMissing)?.seal_gcm(secret).map(Stored::new),
            Writes::Plain if StoredForm::of(secret.expose()) != StoredForm::Plain => Err(Error::NotPlain),
            Writes::Plain => Ok(Stored::new(secret.expose().as_str())),
        }
    }

    /// Whether a stored text is in the form that a new value would have, and under the key it would have.
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
            // Damage is told as such.
            StoredForm::Sealed | StoredForm::Damaged => true,
        }
    }
}
