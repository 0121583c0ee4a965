//! Sign-in: users by address, accounts, sessions, API keys, one-time tokens.

mod accounts;
mod api_keys;
mod idempotency;
mod identities;
mod sessions;
mod verification_tokens;

pub use accounts::*;
pub use api_keys::*;
pub use idempotency::*;
pub use identities::*;
pub use sessions::*;
pub use verification_tokens::*;
