//! Sign-in: users by address, accounts, sessions, API keys, one-time tokens.

mod accounts;
mod api_keys;
mod identities;
mod sessions;
mod verification_tokens;

pub use accounts::{AccountRepository, NewAccount};
pub use api_keys::{ApiKeyRepository, ApiKeySignIn};
pub use identities::IdentityRepository;
pub use sessions::SessionRepository;
pub use verification_tokens::VerificationTokenRepository;

#[cfg(feature = "mock")]
pub use {
    accounts::MockAccountRepository,
    api_keys::{MockApiKeyRepository, MockApiKeySignIn},
    identities::MockIdentityRepository,
    sessions::MockSessionRepository,
    verification_tokens::MockVerificationTokenRepository,
};
