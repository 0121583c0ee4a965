//! From where it was done.

use std::net::IpAddr;

use crate::TrustedProxies;

/// Where a call came from. Every part is optional: a job has none of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The client's own address, as the service's trusted proxies report it.
    pub address: Option<IpAddr>,
    /// The program that called; kept to its first 512 characters.
    pub user_agent: Option<String>,
    /// Ties together what one call did in several places; kept to its first 128 characters.
    pub correlation: Option<String>,
}

impl Origin {
    /// With the client's own address, out of what the connection and the proxies say: see [`TrustedProxies::client`].
    #[must_use]
    pub fn from_forwarded(peer: IpAddr, forwarded: Option<&str>, proxies: &TrustedProxies) -> Self {
        Self { address: Some(proxies.client(peer, forwarded)), ..Self::default() }
    }

    /// The user agent as the log keeps it.
    #[must_use]
    pub fn stored_user_agent(&self) -> Option<String> {
        stored(self.user_agent.as_ref(), 512)
    }

    /// The correlation id as the log keeps it.
    #[must_use]
    pub fn stored_correlation(&self) -> Option<String> {
        stored(self.correlation.as_ref(), 128)
    }
}

fn stored(text: Option<&String>, kept: usize) -> Option<String> {
    text.map(|text| text.chars().filter(|c| !c.is_control()).take(kept).collect())
}
