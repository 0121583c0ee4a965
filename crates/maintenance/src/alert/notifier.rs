//! Targets of alerts.

use rylie_repositories::Delivery;

use super::Smtp;
use super::mail::Mail;
use super::webhook::Webhook;
use crate::error::{Error, Result};

/// A target of alerts: a mail address or a webhook.
#[derive(Clone)]
pub struct Notifier {
    target: String,
    by: By,
    /// Host and port of the webhook or of the mail server.
    place: Option<(String, u16)>,
}

#[derive(Clone)]
enum By {
    Mail(Box<Mail>),
    Webhook(Webhook),
}

impl Notifier {
    /// Creates a target from `mailto:ann@example.com`, which needs a mail server, or the `https://` (`http://`) address
    /// of a webhook. Fails with [`Error::Invalid`] for anything else; the message does not show it.
    pub fn new(target: &str, smtp: Option<&Smtp>) -> Result<Self> {
        let target = target.trim();
        if let Some(address) = target.strip_prefix("mailto:") {
            let smtp = smtp.ok_or_else(|| Error::invalid("a mail address to notify", "set smtp_url and smtp_from"))?;
            let (target, mail) = Mail::new(address, smtp)?;
            return Ok(Self { target, by: By::Mail(Box::new(mail)), place: place(smtp.url.expose()) });
        }
        if target.starts_with("https://") || target.starts_with("http://") {
            let place = place(target);
            return Webhook::new(target).map(|(target, webhook)| Self { target, by: By::Webhook(webhook), place });
        }
        Err(Error::invalid(
            "a target to notify",
            "it must be mailto:ann@example.com or the https:// address of a webhook",
        ))
    }

    /// Returns the target for display and storage. It omits the path of a webhook, which may be a secret.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns host and port, to check whether something answers there.
    pub(crate) fn place(&self) -> Option<(String, u16)> {
        self.place.clone()
    }

    pub(super) async fn send(&self, delivery: &Delivery, words: &str) -> Result<()> {
        let sent = match &self.by {
            By::Mail(mail) => mail.send(delivery, words).await,
            By::Webhook(webhook) => webhook.send(delivery, words).await,
        };
        sent.map_err(|source| Error::Delivery { target: self.target.clone(), source })
    }
}

/// Returns host and port of an address, with the port of its scheme if it names none.
fn place(url: &str) -> Option<(String, u16)> {
    let uri: ureq::http::Uri = url.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "https" => 443,
        "http" => 80,
        "smtps" => 465,
        _ if url.contains("tls=required") => 587,
        _ => 25,
    };
    Some((uri.host()?.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(usual)))
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.target)
    }
}

#[cfg(test)]
mod tests {
    use rylie_crypto::Secret;

    use super::*;

    fn smtp() -> Smtp {
        Smtp { url: Secret::new("smtps://me:canary@localhost".to_owned()), from: "alerts@example.com".to_owned() }
    }

    #[test]
    fn a_target_is_shown_without_its_secrets() {
        let hook = Notifier::new("https://user:canary@hooks.example.com/services/canary?key=canary", None).unwrap();
        let mail = Notifier::new("mailto:ann@example.com", Some(&smtp())).unwrap();
        for notifier in [&hook, &mail] {
            let shown = format!("{notifier:?} {}", notifier.target());
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(hook.target().contains("hooks.example.com"));
        assert_eq!(mail.target(), "mailto:ann@example.com");
    }

    #[test]
    fn two_webhooks_of_one_host_are_distinguished() {
        let [one, other] = ["https://h.example/a", "https://h.example/b"].map(|url| Notifier::new(url, None).unwrap());
        assert_ne!(one.target(), other.target());
    }

    #[test]
    fn what_is_no_target_is_refused_without_showing_it() {
        for target in ["canary", "ftp://canary", "mailto:canary", "https://", "https://ca nary"] {
            let error = Notifier::new(target, Some(&smtp())).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        Notifier::new("mailto:ann@example.com", None).unwrap_err();
    }
}
