//! The fingerprint of a call, by which a repetition is told from another call with the same key.

use axum::extract::OriginalUri;
use axum::http::Uri;
use axum::http::request::Parts;
use ring::digest::{Context, SHA256};

/// Returns the SHA-256 of method, path, query and body, in hexadecimal.
pub(crate) fn fingerprint_of(parts: &Parts, body: &[u8]) -> String {
    let uri = uri_of(parts);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut digest = Context::new(&SHA256);
    for part in [parts.method.as_str().as_bytes(), path.as_bytes()] {
        digest.update(part);
        digest.update(b"\n");
    }
    digest.update(body);
    hex::encode(digest.finish())
}

/// Returns the URI that the client sent, before a nested router took its prefix.
pub(crate) fn uri_of(parts: &Parts) -> &Uri {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri)
}
