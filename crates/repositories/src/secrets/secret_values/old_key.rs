//! Checks that the configured old key is the one that the old service writes with.

use rylie_crypto::{Error as CryptoError, StoredForm, Writes};

use super::read::may_be_ciphertexts;
use crate::tx::Tx;
use crate::{Error, Result, SecretColumn};

/// Number of values of a column to try.
const SAMPLE: i64 = 100;

/// Fails if the key opens none of the old service's ciphertexts, where there are any. The old service could not read
/// values that were written with such a key.
pub(super) async fn check(tx: &Tx) -> Result<()> {
    let mut wrong = false;
    for column in SecretColumn::ALL.into_iter().filter(|column| column.compat() == Writes::Compat) {
        let vault = tx.vault(column)?;
        for row in may_be_ciphertexts(tx, column, SAMPLE).await? {
            let value = row.value.as_deref().unwrap_or_default();
            if !matches!(StoredForm::of(value), StoredForm::LegacyCbc | StoredForm::LegacyGcm) {
                continue;
            }
            match row.open(&vault, column, value) {
                Ok(_) => return Ok(()),
                Err(Error::Secret(CryptoError::LegacyUnreadable { .. } | CryptoError::LegacyKeyNotForCbc)) => {
                    wrong = true;
                }
                // The form is switched off, so this proves nothing about the key.
                Err(_) => {}
            }
        }
    }
    if wrong {
        let reason =
            "it opens nothing that the old service wrote; set ENCRYPTION_KEY to the one that the old service has";
        return Err(Error::Invalid { what: "the old service's key", reason });
    }
    Ok(())
}
