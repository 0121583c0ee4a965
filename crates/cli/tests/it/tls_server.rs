//! A certificate authority for one test, and servers that use its certificates.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::Folder;

/// An authority that no system trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes the file for `SSL_CERT_FILE`.
    pub(crate) fn file(&self, folder: &Folder) -> PathBuf {
        folder.write("authority.pem", &self.pem);
        folder.path("authority.pem")
    }

    /// Returns the configuration of a server with this name.
    pub(crate) fn server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A mail server's TLS mode.
#[derive(Clone)]
pub(crate) enum Tls {
    /// From the first byte.
    Implicit(Arc<ServerConfig>),
    /// On request by the client.
    Offered(Arc<ServerConfig>),
    /// Not supported.
    Absent,
}

/// A server on the loopback address that records what it receives.
pub(crate) struct Server {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(serve: impl Fn(TcpStream, &Mutex<Vec<String>>) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Waiting for one client without a limit would block the next one.
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                // A client that rejects the certificate disconnects.
                let _ = serve(stream, &kept);
            }
        });
        Self { port, heard }
    }

    /// Starts a webhook that sends this answer.
    pub(crate) fn webhook(tls: Option<Arc<ServerConfig>>, answer: String) -> Self {
        Self::start(move |stream, heard| match &tls {
            Some(tls) => {
                take(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream), &answer, heard)
            }
            None => take(stream, &answer, heard),
        })
    }

    pub(crate) fn mail(tls: Tls) -> Self {
        let open =
            |tls: &Arc<ServerConfig>, stream| StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream);
        Self::start(move |mut stream, heard| match &tls {
            Tls::Implicit(tls) => converse(&mut open(tls, stream), true, false, heard).map(drop),
            Tls::Absent => converse(&mut stream, true, false, heard).map(drop),
            Tls::Offered(tls) => {
                if converse(&mut stream, true, true, heard)? {
                    converse(&mut open(tls, stream), false, false, heard)?;
                }
                Ok(())
            }
        })
    }

    /// Returns each received line or document.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Serves one request.
fn take(mut stream: impl Read + Write, answer: &str, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut length = 0;
    loop {
        let line = line(&mut stream)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    heard.lock().unwrap().push(String::from_utf8(body).unwrap());
    write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    stream.flush()
}

/// Serves one conversation. Returns whether it continues in TLS.
fn converse(
    stream: &mut (impl Read + Write),
    greet: bool,
    offer: bool,
    heard: &Mutex<Vec<String>>,
) -> io::Result<bool> {
    if greet {
        say(stream, "220 loopback")?;
    }
    let mut in_mail = false;
    loop {
        let line = line(stream)?;
        heard.lock().unwrap().push(line.trim_end().to_owned());
        if in_mail {
            in_mail = line != ".\r\n";
            if !in_mail {
                say(stream, "250 kept")?;
            }
            continue;
        }
        match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" if offer => say(stream, "250-loopback\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN")?,
            "EHLO" => say(stream, "250-loopback\r\n250 AUTH PLAIN LOGIN")?,
            "STARTTLS" if offer => return say(stream, "220 go on").map(|()| true),
            "STARTTLS" => say(stream, "502 not here")?,
            "AUTH" => say(stream, "235 welcome")?,
            "DATA" => {
                in_mail = true;
                say(stream, "354 go on")?;
            }
            "QUIT" => return say(stream, "221 bye").map(|()| false),
            _ => say(stream, "250 so be it")?,
        }
    }
}

fn say(stream: &mut impl Write, words: &str) -> io::Result<()> {
    write!(stream, "{words}\r\n")?;
    stream.flush()
}

/// Reads byte by byte, so that no byte of the following TLS handshake is consumed.
fn line(stream: &mut impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(String::from_utf8(line).unwrap())
}
