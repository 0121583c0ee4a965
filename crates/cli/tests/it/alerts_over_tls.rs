//! Alerts go only to servers with a trusted certificate.

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Folder, Outcome};
use crate::tls_server::{Authority, Server, Tls};

const HERE: &str = "127.0.0.1";

/// Runs the command that reports the crossing or retries a failed delivery, with this authority trusted, if any.
fn report(folder: &Folder, target: &str, trusted: Option<&Authority>) -> Outcome {
    let arguments = ["size", "--alert-above", "1kB", "--json", "--notify", target];
    match trusted {
        Some(authority) => folder.run_with("SSL_CERT_FILE", authority.file(folder), arguments),
        None => folder.run(arguments),
    }
}

/// Returns the failed delivery, as the status shows it.
fn failed(folder: &Folder) -> String {
    let status = folder.run(["maintain", "status", "--json"]).expect(3).json();
    let [delivery] = status["undelivered"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!(delivery["delivered_at"], Value::Null);
    delivery["error"].as_str().unwrap().to_owned()
}

/// Ends the pause before the next attempt.
async fn pause_is_over(folder: &Folder) {
    let mut sql = SqliteConnection::connect(&folder.url()).await.unwrap();
    let done = sqlx::query("UPDATE rylie_alert_deliveries SET next_attempt = '2000-01-01 00:00:00.000'");
    assert_eq!(done.execute(&mut sql).await.unwrap().rows_affected(), 1);
}

/// Creates a folder whose mails go to this server.
fn with_mail(url: &str) -> Folder {
    let folder = Folder::migrated();
    folder.write("rylie.toml", &format!("smtp_url = '{url}'\nsmtp_from = 'alerts@example.com'\n"));
    folder
}

#[tokio::test]
async fn a_webhook_is_notified_where_its_certificate_is_trusted_and_tried_again_until_then() {
    let authority = Authority::new();
    let hook = Server::webhook(Some(authority.server(HERE)), "200 x".to_owned());
    let (folder, url) = (Folder::migrated(), format!("https://{HERE}:{}/hooks/canary", hook.port));

    let outcome = report(&folder, &url, None).expect(3);
    assert_eq!(outcome.json()["alert"]["undelivered"].as_array().unwrap().len(), 1);
    let error = failed(&folder);
    assert!(error.contains("certificate") && !error.contains("canary"), "{error}");
    assert!(hook.heard().is_empty());

    report(&folder, &url, Some(&authority)).expect(3);
    assert!(hook.heard().is_empty(), "the retry is not due yet");
    pause_is_over(&folder).await;
    assert_eq!(report(&folder, &url, Some(&authority)).expect(3).json()["alert"]["undelivered"], serde_json::json!([]));
    let [document] = hook.heard().try_into().unwrap();
    assert!(document.contains("\"event\":\"crossed\""), "{document}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let hook = Server::webhook(Some(authority.server("other.example")), "200 x".to_owned());
    let folder = Folder::migrated();

    report(&folder, &format!("https://{HERE}:{}/hook", hook.port), Some(&authority)).expect(3);

    assert!(failed(&folder).contains("certificate") && hook.heard().is_empty());
}

#[test]
fn a_webhook_that_redirects_to_plain_text_is_not_followed_and_has_failed() {
    let authority = Authority::new();
    let plain = Server::webhook(None, "200 x".to_owned());
    let away = format!("302 x\r\nlocation: http://{HERE}:{}/hook", plain.port);
    let hook = Server::webhook(Some(authority.server(HERE)), away);
    let folder = Folder::migrated();

    report(&folder, &format!("https://{HERE}:{}/hook", hook.port), Some(&authority)).expect(3);

    assert!(failed(&folder).contains("redirects"), "{}", failed(&folder));
    assert!(hook.heard().len() == 1 && plain.heard().is_empty());
}

#[tokio::test]
async fn a_mail_goes_where_the_certificate_is_trusted_and_is_tried_again_until_then() {
    let authority = Authority::new();
    for starttls in [false, true] {
        let tls = authority.server(HERE);
        let server = Server::mail(if starttls { Tls::Offered(tls) } else { Tls::Implicit(tls) });
        let (scheme, options) = if starttls { ("smtp", "?tls=required") } else { ("smtps", "") };
        let folder = with_mail(&format!("{scheme}://me:canary@{HERE}:{}{options}", server.port));

        report(&folder, "mailto:ops@example.com", None).expect(3);
        let error = failed(&folder);
        assert!(error.contains("certificate") && !error.contains("canary"), "{error}");
        let heard = server.heard();
        assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");

        pause_is_over(&folder).await;
        report(&folder, "mailto:ops@example.com", Some(&authority)).expect(3);
        let heard = server.heard();
        assert!(heard.iter().any(|line| line.starts_with("AUTH PLAIN ")), "{heard:?}");
        assert_eq!(heard.iter().filter(|line| *line == "Subject: Database Size Alert").count(), 1, "{heard:?}");
    }
}

#[test]
fn a_mail_server_that_offers_no_tls_gets_neither_password_nor_mail() {
    let server = Server::mail(Tls::Absent);
    let folder = with_mail(&format!("smtp://me:canary@{HERE}:{}?tls=required", server.port));

    report(&folder, "mailto:ops@example.com", None).expect(3);

    let (error, heard) = (failed(&folder), server.heard());
    assert!(error.to_lowercase().contains("tls") && !error.contains("canary"), "{error}");
    assert!(heard.iter().any(|line| line.starts_with("EHLO")), "the client said EHLO: {heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
}

#[test]
fn a_password_that_tls_would_not_protect_is_bad_usage() {
    for options in ["", "?tls=opportunistic"] {
        let folder = with_mail(&format!("smtp://me:canary@{HERE}:25{options}"));
        let outcome = report(&folder, "mailto:ops@example.com", None).expect(2);
        assert!(
            outcome.err.contains("a password goes over TLS only") && !outcome.err.contains("canary"),
            "{outcome:?}"
        );
    }
}
