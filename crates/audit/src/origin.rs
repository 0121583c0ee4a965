//! From where it was done.

use std::net::IpAddr;

/// Where a call came from. Every part is optional: a job has none of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The client's own address, as the service's trusted proxies report it.
    pub address: Option<IpAddr>,
    /// The program that called; kept to its first 512 characters.
    pub user_agent: Option<String>,
    /// Ties together what one call did in several places.
    pub correlation: Option<String>,
}

impl Origin {
    /// The user agent as the log keeps it.
    #[must_use]
    pub fn stored_user_agent(&self) -> Option<String> {
        const KEPT: usize = 512;
        self.user_agent.as_ref().map(|agent| agent.chars().filter(|c| !c.is_control()).take(KEPT).collect())
    }
}
