//! Unique names.

use std::hash::{BuildHasher, RandomState};

/// Returns sixteen hexadecimal digits from the random keys that the standard library gives each hasher. They suffice
/// for names, and for the password of a server that lives for seconds, and need no dependency.
pub(super) fn random_hex() -> String {
    format!("{:016x}", RandomState::new().hash_one("rylie"))
}
