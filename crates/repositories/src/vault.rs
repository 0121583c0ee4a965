//! Sealing and opening the secrets in columns.

use rylie_crypto::{Binding, ColumnCipher, ColumnPolicy, Keyring, LegacyForms, LegacyKey, Secret, Writes};
use rylie_entities::{SealedColumn, UserId};

use crate::Result;
use crate::fence::Tx;

/// The keys that a store seals and opens secrets with.
#[derive(Debug)]
pub struct Keys {
    keyring: Keyring,
    legacy: Option<LegacyKey>,
}

impl Keys {
    /// New values are sealed by the keyring's active key. With the old service's key, values in its forms open too;
    /// plain text from before encryption always does.
    #[must_use]
    pub fn new(keyring: Keyring, legacy: Option<LegacyKey>) -> Self {
        Self { keyring, legacy }
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn cipher(&self) -> Result<ColumnCipher<'_>> {
        let old = self.legacy.is_some();
        let accepts = LegacyForms { cbc: old, gcm: old, plain: true };
        let policy = ColumnPolicy { accepts, writes: Writes::default() };
        Ok(ColumnCipher::new(&self.keyring, self.legacy.as_ref(), policy)?)
    }
}

/// The opened tokens of a connection.
#[derive(Debug)]
pub struct OpenedTokens {
    /// Opens Google's API.
    pub access: Secret<String>,
    /// Gets a new access token.
    pub refresh: Option<Secret<String>>,
}

/// Where a secret is stored. The envelope is bound to it, so that it opens nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: &'a str,
    /// Bound as the tenant: a row follows its user from agency to agency, and need not be sealed anew.
    pub(crate) owner: &'a UserId,
}

impl<'a> Place<'a> {
    fn binding(self) -> Binding<'a> {
        Binding::new(self.table, self.column, self.row, self.owner.as_str())
    }
}

impl Tx {
    pub(crate) fn seal(&self, secret: &Secret<String>, place: Place<'_>) -> Result<SealedColumn> {
        Ok(self.keys()?.cipher()?.seal(secret, &place.binding())?.into())
    }

    pub(crate) fn seal_optional(
        &self,
        secret: Option<&Secret<String>>,
        place: Place<'_>,
    ) -> Result<Option<SealedColumn>> {
        secret.map(|secret| self.seal(secret, place)).transpose()
    }

    pub(crate) fn open(&self, sealed: &SealedColumn, place: Place<'_>) -> Result<Secret<String>> {
        let (secret, _form) = self.keys()?.cipher()?.open(sealed.stored(), &place.binding())?;
        Ok(secret)
    }

    pub(crate) fn open_optional(
        &self,
        sealed: Option<&SealedColumn>,
        place: Place<'_>,
    ) -> Result<Option<Secret<String>>> {
        sealed.map(|sealed| self.open(sealed, place)).transpose()
    }
}
