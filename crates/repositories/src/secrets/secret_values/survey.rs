//! Counting values by key and form.

use rylie_crypto::{Error as CryptoError, Fingerprint, StoredForm};

use super::SecretSurvey;
use super::read::{Row, key_of, rows};
use crate::secrets::vault::Vault;
use crate::tx::Tx;
use crate::{Error, Result, SecretColumn};

pub(super) async fn survey(tx: &Tx, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretSurvey> {
    let vault = tx.vault(column)?;
    let (rows, next) = rows(tx, column, after, batch).await?;
    let mut survey = SecretSurvey { next, rows: rows.len() as u64, ..Default::default() };
    // Shows a key without values as zero.
    for key in vault.usable_keys() {
        survey.values.insert(key.clone(), 0);
        survey.fingerprints.insert(key, 0);
    }
    for row in &rows {
        survey.add(&vault, column, row);
    }
    Ok(survey)
}

impl SecretSurvey {
    fn add(&mut self, vault: &Vault<'_>, column: SecretColumn, row: &Row) {
        if let Some(index) = &row.index {
            let key = Fingerprint::parse(index.as_str());
            let key = key.map_or_else(|_| "damaged".to_owned(), |index| index.key_id().to_owned());
            *self.fingerprints.entry(key).or_default() += 1;
        }
        let Some(value) = &row.value else { return };
        match row.open(vault, column, value) {
            Err(error) if !is_only_not_opened(&error) => self.unreadable.push(row.unreadable(column, &error)),
            _ => {
                let kind = key_of(value).unwrap_or_else(|| StoredForm::of(value).to_string());
                *self.values.entry(kind).or_default() += 1;
            }
        }
    }
}

/// Returns whether the value is not damaged: its form is switched off, or its key is missing.
fn is_only_not_opened(error: &Error) -> bool {
    matches!(error, Error::Secret(CryptoError::FormNotAccepted { .. } | CryptoError::LegacyKeyMissing))
}
