//! Whether the old service's key is the one with which the old service wrote.

use rylie_crypto::{Error as CryptoError, StoredForm, Writes};

use super::read::may_be_ciphertexts;
use crate::tx::Tx;
use crate::{Error, Result, SecretColumn};

/// How many values of a column are tried.
const SAMPLE: i64 = 100;

/// Refuses a key that opens none of the old service's ciphertexts, if there are any: what is written with it could be
/// read by nobody else.
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
                // The form is switched off: that tells nothing of the key.
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
