//! When the session cookie is sent.

/// When a browser sends the session cookie with calls from other sites.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// Only if a user follows a link.
    Lax,
    /// Never.
    Strict,
}
