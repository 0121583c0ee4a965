//! A small server that implements the part of S3 that backups need: objects, ranges, listings, uploads in parts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The only bucket.
const BUCKET: &str = "/kept";

/// What the server has.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Uploads in parts that have neither ended nor been aborted.
    pub(crate) uploads: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    /// The bytes of parts that were received.
    pub(crate) received: u64,
    /// The largest body of a request.
    pub(crate) largest: usize,
    /// How long each part takes.
    pub(crate) delay: Duration,
    /// Whether connections are closed without an answer.
    pub(crate) is_gone: bool,
    /// Whether requests are never answered.
    pub(crate) is_silent: bool,
    begun: usize,
}

pub(crate) struct S3Server {
    state: Arc<Mutex<State>>,
    endpoint: String,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&served);
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { state, endpoint }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Gives the command the server and its credentials.
    pub(crate) fn named_in(&self, command: &mut Command) {
        command
            .env("AWS_ACCESS_KEY_ID", "keeper")
            .env("AWS_SECRET_ACCESS_KEY", "canary-secret")
            .env("AWS_REGION", "here");
        command.env("AWS_ENDPOINT", &self.endpoint).env("AWS_ALLOW_HTTP", "true");
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    range: Option<(usize, usize)>,
    is_signed: bool,
    body: Vec<u8>,
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        lines.push(std::mem::take(&mut line));
    }
    let header = |name: &str| {
        let of = |line: &String| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned());
        lines.iter().find_map(of)
    };
    let mut body = vec![0; header("content-length:").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let mut words = lines.first()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.replace("%2F", "/"))).collect();
    let range = header("range:").and_then(|range| {
        let (from, until) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse().ok()?, until.parse().ok()?))
    });
    let is_signed = header("authorization:").is_some_and(|value| value.contains("credential=keeper/"));
    Some(Request { method, path: path.to_owned(), query, range, is_signed, body })
}

struct Answer(&'static str, Vec<(&'static str, String)>, Vec<u8>);

fn xml(text: String) -> Answer {
    Answer("200 OK", Vec::new(), text.into_bytes())
}

fn error(status: &'static str, code: &str) -> Answer {
    let text = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Answer(status, Vec::new(), text.into_bytes())
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let (is_gone, is_silent, delay) = {
            let state = state.lock().unwrap();
            (state.is_gone, state.is_silent, state.delay)
        };
        if is_gone {
            return;
        }
        if is_silent {
            loop {
                std::thread::park();
            }
        }
        if request.query.contains_key("partNumber") {
            std::thread::sleep(delay);
        }
        let is_head = request.method == "HEAD";
        let Answer(status, headers, body) = answer(request, &mut state.lock().unwrap());
        let more: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "HTTP/1.1 {status}\r\netag: \"e\"\r\nlast-modified: Wed, 25 Nov 2026 00:00:00 GMT\r\n{}content-length: {}\r\n\r\n",
            more.concat(),
            body.len()
        );
        let body = if is_head { Vec::new() } else { body };
        if reader.get_mut().write_all(&[head.into_bytes(), body].concat()).is_err() {
            return;
        }
    }
}

fn answer(request: Request, state: &mut State) -> Answer {
    if !request.is_signed {
        return error("403 Forbidden", "InvalidAccessKeyId");
    }
    let Some(name) = request.path.strip_prefix(BUCKET) else { return error("404 Not Found", "NoSuchBucket") };
    let name = name.trim_start_matches('/').to_owned();
    let upload = request.query.get("uploadId").cloned();
    state.largest = state.largest.max(request.body.len());
    match (request.method.as_str(), upload) {
        ("GET", _) if name.is_empty() => listing(&request.query, state),
        ("POST", None) if request.query.contains_key("delete") => {
            let mut deleted = Vec::new();
            for key in String::from_utf8(request.body).unwrap().split("<Key>").skip(1) {
                let key = key.split("</Key>").next().unwrap();
                state.objects.remove(key);
                deleted.push(format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            xml(format!("<DeleteResult>{}</DeleteResult>", deleted.concat()))
        }
        ("POST", None) => {
            state.begun += 1;
            let id = format!("upload{}", state.begun);
            state.uploads.insert(id.clone(), BTreeMap::new());
            xml(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        ("PUT", Some(id)) => {
            let number = request.query["partNumber"].parse().unwrap();
            state.received += request.body.len() as u64;
            let Some(parts) = state.uploads.get_mut(&id) else { return error("404 Not Found", "NoSuchUpload") };
            parts.insert(number, request.body);
            Answer("200 OK", Vec::new(), Vec::new())
        }
        ("POST", Some(id)) => {
            let Some(parts) = state.uploads.remove(&id) else { return error("404 Not Found", "NoSuchUpload") };
            let last = parts.len();
            let is_small = |(number, part): (&usize, &Vec<u8>)| *number < last && part.len() < 5 << 20;
            if parts.iter().any(is_small) {
                return error("400 Bad Request", "EntityTooSmall");
            }
            state.objects.insert(name, parts.into_values().flatten().collect());
            xml("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>".to_owned())
        }
        ("DELETE", Some(id)) => {
            state.uploads.remove(&id);
            Answer("204 No Content", Vec::new(), Vec::new())
        }
        ("PUT", None) => {
            state.objects.insert(name, request.body);
            Answer("200 OK", Vec::new(), Vec::new())
        }
        ("GET" | "HEAD", _) => {
            let Some(object) = state.objects.get(&name) else { return error("404 Not Found", "NoSuchKey") };
            match request.range {
                None => Answer("200 OK", Vec::new(), object.clone()),
                Some((from, until)) => {
                    let until = until.min(object.len() - 1);
                    let range = format!("bytes {from}-{until}/{}", object.len());
                    Answer("206 Partial Content", vec![("content-range", range)], object[from..=until].to_vec())
                }
            }
        }
        _ => error("405 Method Not Allowed", "MethodNotAllowed"),
    }
}

fn listing(query: &BTreeMap<String, String>, state: &State) -> Answer {
    let prefix = query.get("prefix").map(String::as_str).unwrap_or_default();
    let is_flat = query.contains_key("delimiter");
    let (mut items, mut folders) = (Vec::new(), Vec::new());
    for (name, bytes) in &state.objects {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        if let Some((folder, _)) = rest.split_once('/').filter(|_| is_flat) {
            folders.push(format!("<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>"));
            continue;
        }
        items.push(format!(
            "<Contents><Key>{name}</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified><ETag>e</ETag><Size>{}</Size></Contents>",
            bytes.len()
        ));
    }
    folders.dedup();
    let (items, folders) = (items.concat(), folders.concat());
    xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{items}{folders}</ListBucketResult>"))
}
