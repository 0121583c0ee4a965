//! Sealing and opening with the keys of a unit.

use rylie_crypto::Secret;
use rylie_entities::SealedColumn;

use super::{Place, SecretColumn, Vault};
use crate::tx::Tx;
use crate::{Result, limits};

impl Tx {
    pub(crate) fn vault(&self, column: SecretColumn) -> Result<Vault<'_>> {
        Ok(Vault::of(self.keys()?, column, self.is_shared_with_old_service()))
    }

    pub(crate) fn seal(&self, secret: &Secret<String>, place: Place<'_>) -> Result<SealedColumn> {
        limits::secret(secret.expose())?;
        Ok(self.vault(place.column)?.seal(secret, place)?.into())
    }

    pub(crate) fn seal_optional(
        &self,
        secret: Option<&Secret<String>>,
        place: Place<'_>,
    ) -> Result<Option<SealedColumn>> {
        secret.map(|secret| self.seal(secret, place)).transpose()
    }

    pub(crate) fn open(&self, sealed: &SealedColumn, place: Place<'_>) -> Result<Secret<String>> {
        self.vault(place.column)?.open(sealed.stored(), place)
    }

    pub(crate) fn open_optional(
        &self,
        sealed: Option<&SealedColumn>,
        place: Place<'_>,
    ) -> Result<Option<Secret<String>>> {
        sealed.map(|sealed| self.open(sealed, place)).transpose()
    }
}
