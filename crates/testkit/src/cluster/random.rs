//! Names that nobody else has.

use std::hash::{BuildHasher, RandomState};

/// Sixteen hexadecimal digits from the random keys that the standard library gives each hasher: enough for names
/// and for the password of a server that lives for seconds, and no dependency.
pub(super) fn random_hex() -> String {
    format!("{:016x}", RandomState::new().hash_one("rylie"))
}
