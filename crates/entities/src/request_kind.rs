//! The kind of work of a request.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The kind of work of a request. The column is text, because the old service may write other kinds.
///
/// ```
/// use rylie_entities::RequestKind;
///
/// assert_eq!(RequestKind::from("blog"), RequestKind::Blog);
/// assert_eq!(RequestKind::from("audit").as_str(), "audit");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RequestKind {
    /// A page of a site: `page`.
    Page,
    /// A blog post: `blog`.
    Blog,
    /// A post on a Google Business Profile: `gbp_post`.
    GbpPost,
    /// Maintenance of a site: `maintenance`.
    Maintenance,
    /// Any other kind, as stored.
    Other(String),
}

impl RequestKind {
    /// Returns the stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Page => "page",
            Self::Blog => "blog",
            Self::GbpPost => "gbp_post",
            Self::Maintenance => "maintenance",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for RequestKind {
    fn from(text: &str) -> Self {
        match text {
            "page" => Self::Page,
            "blog" => Self::Blog,
            "gbp_post" => Self::GbpPost,
            "maintenance" => Self::Maintenance,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl FromStr for RequestKind {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RequestKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RequestKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| text.as_str().into())
    }
}
