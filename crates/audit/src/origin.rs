//! The origin of a call.

use std::net::IpAddr;

use crate::TrustedProxies;

/// The origin of a call. Each part is optional; a job has none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The client's address, as the trusted proxies report it.
    pub address: Option<IpAddr>,
    /// The user agent; truncated to 512 characters.
    pub user_agent: Option<String>,
    /// The correlation id that links the records of one call; truncated to 128 characters.
    pub correlation: Option<String>,
}

impl Origin {
    /// Creates an origin with the client's address, from the connection's peer and the proxies' header: see
    /// [`TrustedProxies::client`].
    #[must_use]
    pub fn from_forwarded(peer: IpAddr, forwarded: Option<&str>, proxies: &TrustedProxies) -> Self {
        Self { address: Some(proxies.client(peer, forwarded)), ..Self::default() }
    }

    /// Returns the user agent as stored in the log.
    #[must_use]
    pub fn stored_user_agent(&self) -> Option<String> {
        stored(self.user_agent.as_ref(), 512)
    }

    /// Returns the correlation id as stored in the log.
    #[must_use]
    pub fn stored_correlation(&self) -> Option<String> {
        stored(self.correlation.as_ref(), 128)
    }
}

fn stored(text: Option<&String>, kept: usize) -> Option<String> {
    text.map(|text| text.chars().filter(|c| !c.is_control()).take(kept).collect())
}
