//! A small HTTP client that can disconnect at any point.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A call over a new connection.
#[derive(Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) json: Value,
}

pub(crate) fn call(method: &'static str, path: impl Into<String>) -> Call {
    Call { method, path: path.into(), headers: Vec::new(), body: String::new() }
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self.header("content-type", "application/json")
    }

    fn text(&self) -> String {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        format!(
            "{} {} HTTP/1.1\r\nhost: service.example\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{}",
            self.method,
            self.path,
            self.body.len(),
            self.body
        )
    }

    /// Sends the call and reads the whole answer.
    pub(crate) async fn send(&self, to: SocketAddr) -> io::Result<Answer> {
        let answered = tokio::time::timeout(Duration::from_mins(1), async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(self.text().as_bytes()).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            Ok::<_, io::Error>(bytes)
        });
        let bytes = answered.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| body.len() < length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let json = serde_json::from_str(body).unwrap_or(Value::Null);
        Ok(Answer { status, head: head.to_owned(), json })
    }

    /// Sends the first bytes of the call, waits, and disconnects without reading.
    pub(crate) async fn abandon(&self, to: SocketAddr, bytes: usize, wait: Duration) {
        let Ok(mut stream) = TcpStream::connect(to).await else { return };
        let text = self.text();
        if stream.write_all(&text.as_bytes()[..bytes.min(text.len())]).await.is_ok() {
            tokio::time::sleep(wait).await;
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.text().len()
    }
}
