//! The seal of a tenant's file. Only a store with the same keyring can make it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use rylie_tenancy::derived_keys;

use crate::Result;
use crate::secrets::Keys;

const PURPOSE: &str = "tenant-file";

/// Returns the seal of a digest, as text.
pub(super) fn make(keys: &Keys, digest: &str) -> Result<Option<String>> {
    let keys = derived_keys(keys.keyring(), PURPOSE)?;
    Ok(keys.first().map(|key| URL_SAFE_NO_PAD.encode(hmac::sign(key, digest.as_bytes()))))
}

/// Returns whether a key of the keyring made the seal.
pub(super) fn is_good(keys: &Keys, digest: &str, seal: &str) -> Result<bool> {
    let Ok(seal) = URL_SAFE_NO_PAD.decode(seal) else { return Ok(false) };
    Ok(derived_keys(keys.keyring(), PURPOSE)?.iter().any(|key| hmac::verify(key, digest.as_bytes(), &seal).is_ok()))
}
