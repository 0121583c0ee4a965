//! The mail server.

use rylie_crypto::Secret;

/// The mail server for alerts.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// `smtp://host:port`, `smtp://user:password@host?tls=required` or `smtps://…`. A password is percent-encoded, and
    /// refused if TLS is not required.
    pub url: Secret<String>,
    /// The sender's address.
    pub from: String,
}
