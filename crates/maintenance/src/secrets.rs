//! Sealing secrets anew, and telling which key seals what.

mod key_report;
mod reencrypt;

pub use key_report::{KeyReport, key_report};
pub use reencrypt::{Reencrypted, reencrypt};
