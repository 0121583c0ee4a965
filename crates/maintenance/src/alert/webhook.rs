//! Alerts by webhook: one POST request with a JSON document.

use std::sync::Arc;
use std::time::Duration;

use rylie_crypto::Secret;
use rylie_repositories::Delivery;
use serde_json::json;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::NotSent;
use crate::error::{Error, Result};

/// Maximum time for the whole request.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Webhook(Secret<String>);

impl Webhook {
    /// Creates the target and returns it after its displayed form.
    pub(super) fn new(url: &str) -> Result<(String, Self)> {
        let wrong = || Error::invalid("the address of a webhook", "it must be a URL such as https://example.com/hook");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        // A hash distinguishes two webhooks of one host and reveals nothing of their path.
        let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        let mark = digest.as_ref().iter().take(4).fold(0_u32, |mark, byte| mark << 8 | u32::from(*byte));
        let target = format!("{}://{host}{port}/…#{mark:08x}", uri.scheme_str().unwrap_or("https"));
        Ok((target, Self(Secret::new(url.to_owned()))))
    }

    pub(super) async fn send(&self, delivery: &Delivery, words: &str) -> std::result::Result<(), NotSent> {
        let document = json!({
            "id": delivery.id,
            "alert": delivery.alert,
            "event": delivery.event,
            "threshold": delivery.threshold,
            "value": delivery.value,
            "at": delivery.created_at,
            "text": words,
        });
        let (url, body) = (self.0.clone(), document.to_string());
        // The client blocks its thread.
        let posted = tokio::task::spawn_blocking(move || post(url.expose(), &body)).await;
        posted?.map_err(|error| without_address(&error).into())
    }
}

/// Sends the request. A redirection is an error, because the alert is for the configured address only.
fn post(url: &str, body: &str) -> std::result::Result<(), ureq::Error> {
    let mut config = Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0);
    if url.starts_with("https:") {
        config = config.tls_config(tls());
    }
    let agent = config.build().new_agent();
    let status = agent.post(url).header("content-type", "application/json").send(body)?.status();
    // The client reports only 400 and above as an error.
    if status.is_success() { Ok(()) } else { Err(ureq::Error::StatusCode(status.as_u16())) }
}

fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates = found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .build()
}

/// Returns the error without the address, which some of the client's errors repeat.
fn without_address(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(300..400) => "it redirects, and redirections are not followed".to_owned(),
        ureq::Error::StatusCode(code) => format!("it answered with the status {code}"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("it did not answer within {TIMEOUT:?}"),
        ureq::Error::HostNotFound => "its host is unknown".to_owned(),
        ureq::Error::ConnectionFailed => "it refuses connections".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "its certificate or TLS is not acceptable".to_owned(),
        _ => "the request failed".to_owned(),
    }
}
