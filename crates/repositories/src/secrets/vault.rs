//! Sealing and opening secrets in columns.

mod columns;
mod keys;
mod of_unit;
mod policy;

use rylie_crypto::{
    Binding, BlindIndex, ColumnCipher, ColumnPolicy, Error as CryptoError, KeyId, KeyState, LegacyForms, Secret,
    Stored, StoredForm, Writes,
};
use rylie_entities::{IndexColumn, UserId};

use crate::Result;

pub use columns::SecretColumn;
pub use keys::Keys;
pub use policy::{NewValues, SecretPolicies, SecretPolicy};

/// The opened tokens of a connection.
#[derive(Debug)]
pub struct OpenedTokens {
    /// The access token for Google's API.
    pub access: Secret<String>,
    /// The refresh token.
    pub refresh: Option<Secret<String>>,
}

/// The location of a secret. The envelope is bound to it and opens nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) column: SecretColumn,
    pub(crate) row: &'a str,
    /// Bound in place of the tenant: a row follows its user to another agency without being sealed again.
    pub(crate) owner: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn new(column: SecretColumn, row: &'a str, owner: &'a UserId) -> Self {
        Self { column, row, owner: owner.as_str() }
    }

    fn binding(self) -> Binding<'a> {
        Binding::new(self.column.table(), self.column.column(), self.row, self.owner)
    }
}

/// The secrets of one column, with a unit's keys.
pub(crate) struct Vault<'tx> {
    keys: &'tx Keys,
    column: SecretColumn,
    policy: ColumnPolicy,
}

impl<'tx> Vault<'tx> {
    /// Returns the secrets of a column. `shared` states whether the old service uses the same database.
    pub(crate) fn of(keys: &'tx Keys, column: SecretColumn, shared: bool) -> Self {
        Self { keys, column, policy: keys.policies.of(column).resolve(column, shared) }
    }
}

impl Vault<'_> {
    /// Seals in the form that the column's policy writes.
    pub(crate) fn seal(&self, secret: &Secret<String>, place: Place<'_>) -> Result<Stored> {
        Ok(self.writer()?.seal(secret, &place.binding())?)
    }

    /// Opens any form that the column's policy accepts.
    pub(crate) fn open(&self, stored: &str, place: Place<'_>) -> Result<Secret<String>> {
        let form = StoredForm::of(stored);
        let legacy = matches!(form, StoredForm::LegacyCbc | StoredForm::LegacyGcm);
        if legacy && self.accepts(form) && self.keys.legacy.is_none() {
            return Err(CryptoError::LegacyKeyMissing.into());
        }
        let reading = ColumnPolicy { accepts: self.readable(), writes: Writes::default() };
        let cipher = ColumnCipher::new(&self.keys.keyring, self.keys.legacy.as_ref(), reading)?;
        Ok(cipher.open(stored, &place.binding())?.0)
    }

    /// Returns whether a stored text has the form and the key of a new value.
    pub(crate) fn is_current(&self, stored: &str) -> Result<bool> {
        Ok(self.writer()?.is_current(stored)?)
    }

    /// Returns whether the policy accepts a form. It does not check that there is a key for it.
    pub(crate) fn accepts(&self, form: StoredForm) -> bool {
        let accepts = self.policy.accepts;
        match form {
            StoredForm::LegacyCbc => accepts.cbc,
            StoredForm::LegacyGcm => accepts.gcm,
            StoredForm::Plain => accepts.plain,
            StoredForm::Sealed | StoredForm::Damaged => true,
        }
    }

    /// Returns the blind index by which the column is looked up.
    pub(crate) fn blind_index(&self) -> Result<BlindIndex> {
        Ok(self.keys.keyring.blind_index(&self.column.lookup())?)
    }

    /// Returns the fingerprint to store with a sealed value; `None` for other forms.
    pub(crate) fn index_for(&self, stored: &Stored, secret: &Secret<String>) -> Result<Option<IndexColumn>> {
        match stored.form() {
            StoredForm::Sealed => Ok(Some(self.blind_index()?.fingerprint(secret.expose())?.into())),
            _ => Ok(None),
        }
    }

    /// Returns the id of the active key.
    pub(crate) fn active_key(&self) -> Result<&KeyId> {
        Ok(self.keys.keyring.active()?)
    }

    /// Returns the ids of the keys that can open values.
    pub(crate) fn usable_keys(&self) -> impl Iterator<Item = String> {
        let keys = self.keys.keyring.keys().filter(|(_, state)| *state != KeyState::Destroyed);
        keys.map(|(id, _)| id.to_string())
    }

    /// Returns whether new values are encrypted with the old service's key.
    pub(crate) fn writes_for_old_service(&self) -> bool {
        self.policy.writes == Writes::Compat
    }

    /// Returns whether the old service's key is available.
    pub(crate) fn has_legacy_key(&self) -> bool {
        self.keys.legacy.is_some()
    }

    /// Fails if the keys do not fit the policy.
    pub(crate) fn check(&self) -> Result<()> {
        self.writer().map(|_| ())
    }

    fn writer(&self) -> Result<ColumnCipher<'_>> {
        let accepts = if self.writes_for_old_service() { self.policy.accepts } else { self.readable() };
        let policy = ColumnPolicy { accepts, writes: self.policy.writes };
        Ok(ColumnCipher::new(&self.keys.keyring, self.keys.legacy.as_ref(), policy)?)
    }

    /// Returns the accepted forms for which there is a key.
    fn readable(&self) -> LegacyForms {
        let (accepts, key) = (self.policy.accepts, self.has_legacy_key());
        LegacyForms { cbc: accepts.cbc && key, gcm: accepts.gcm && key, plain: accepts.plain }
    }
}
