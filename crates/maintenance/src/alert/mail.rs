//! Alerts by mail.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use rylie_repositories::Delivery;

use super::{NotSent, Smtp};
use crate::error::{Error, Result};

/// Maximum time for one SMTP command.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailbox,
}

impl Mail {
    /// Creates the target and returns it after its displayed form.
    pub(super) fn new(address: &str, smtp: &Smtp) -> Result<(String, Self)> {
        let mailbox = |what: &str, text: &str| {
            text.parse::<Mailbox>().map_err(|_| Error::invalid(what, "it must be an address such as ann@example.com"))
        };
        let to = mailbox("a mail address to notify", address)?;
        let from = mailbox("smtp_from", &smtp.from)?;
        if shows_password(smtp.url.expose()) {
            let reason = "a password goes over TLS only: use smtps://… or ?tls=required";
            return Err(Error::invalid("smtp_url", reason));
        }
        let reason = "it must have the form smtp://user:password@host:587?tls=required or smtps://user:password@host";
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.expose());
        let server = server.map_err(|_| Error::invalid("smtp_url", reason))?.timeout(Some(TIMEOUT)).build();
        Ok((format!("mailto:{}", to.email), Self { server, from, to }))
    }

    pub(super) async fn send(&self, delivery: &Delivery, words: &str) -> std::result::Result<(), NotSent> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .subject("Database Size Alert")
            // The same in every attempt, so that mail programs show a repetition once.
            .message_id(Some(format!("<{}@rylie-db>", delivery.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{words}\n"))?;
        self.server.send(message).await?;
        Ok(())
    }
}

/// Returns whether a login could be sent without TLS, for example if the server, or an attacker in between, offers
/// none.
fn shows_password(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (server, options) = rest.split_once('?').unwrap_or((rest, ""));
    let tls = options.split('&').find(|option| option.starts_with("tls="));
    let safe = scheme.eq_ignore_ascii_case("smtps") || tls == Some("tls=required");
    let password = server.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'));
    password && !safe
}

#[cfg(test)]
mod tests {
    use super::shows_password;

    #[test]
    fn a_password_goes_over_tls_only() {
        for url in [
            "smtp://me:canary@host",
            "SMTP://me:canary@host:25/",
            "smtp://me:canary@host?tls=opportunistic",
            "smtp://me:canary@host?tls=none&tls=required",
        ] {
            assert!(shows_password(url), "{url}");
        }
        for url in ["smtp://host", "smtp://me@host", "smtps://me:canary@host", "smtp://me:canary@host:587?tls=required"]
        {
            assert!(!shows_password(url), "{url}");
        }
    }
}
