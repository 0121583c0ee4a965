//! `Link` headers (RFC 8288) of pages.

use axum::http::{HeaderValue, Uri};

/// Builds the links of one page. Other parameters of the URI stay as the client wrote them.
pub(crate) struct Links<'u> {
    path: &'u str,
    others: String,
    entries: Vec<String>,
}

impl<'u> Links<'u> {
    /// Begins with the URI of the call, without the parameters that the links replace.
    pub(crate) fn of(uri: &'u Uri, replaced: [&str; 2]) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        let others = pairs.filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && !replaced.contains(&name)
        });
        let others = others.fold(String::new(), |text, pair| format!("{text}{pair}&"));
        Self { path: uri.path(), others, entries: Vec::new() }
    }

    /// Adds a link with these parameters, which need no escaping.
    pub(crate) fn add(&mut self, relation: &str, parameters: &str) {
        self.entries.push(format!("<{}?{}{parameters}>; rel=\"{relation}\"", self.path, self.others));
    }

    /// Returns the header's value, or `None` without links.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        if self.entries.is_empty() { None } else { HeaderValue::try_from(self.entries.join(", ")).ok() }
    }
}
