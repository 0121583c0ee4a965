//! The keys named by the configuration.

use rylie_crypto::{KeyFile, LegacyKey};
use rylie_repositories::Keys;

use crate::config::Config;
use crate::error::{Error, Result};

/// Reads the keyring's file, if one is named. The old service's key alone opens nothing: what is read is to be
/// sealed by a keyring when it is written again.
pub(crate) fn read(config: &Config) -> Result<Option<Keys>> {
    let Some(path) = &config.keyring else { return Ok(None) };
    let keyring = KeyFile::new(path).load().map_err(Error::Keys)?;
    let legacy = config.encryption_key().map(|key| LegacyKey::new(&key)).transpose().map_err(Error::Keys)?;
    Ok(Some(Keys::new(keyring, legacy).with_policies(config.secrets.clone())))
}
