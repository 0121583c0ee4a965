//! Re-encrypting secrets, and reporting their keys.

mod key_report;
mod reencrypt;

pub use key_report::{KeyReport, key_report};
pub use reencrypt::{Reencrypted, reencrypt};
