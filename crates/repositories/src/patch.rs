//! Changes of nullable columns.

use sea_orm::sea_query::Nullable;
use sea_orm::{ActiveValue, Value};
use serde::{Deserialize, Deserializer};

use crate::Result;

/// The change of a nullable column. In JSON a missing field keeps the value, and `null` clears it.
///
/// ```
/// use rylie_repositories::{Patch, UserChanges};
///
/// let changes = UserChanges { name: "Ann".into(), image: Patch::Clear, ..UserChanges::default() };
/// assert_eq!(changes.package, Patch::Keep);
/// # assert_eq!(changes.name, Patch::Set("Ann".to_owned()));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Patch<T> {
    /// Keeps the value.
    #[default]
    Keep,
    /// Sets the column to null.
    Clear,
    /// Sets a value.
    Set(T),
}

impl<T> Patch<T> {
    /// Checks the new value, if there is one.
    pub(crate) fn checked(self, check: impl FnOnce(T) -> Result<T>) -> Result<Self> {
        match self {
            Self::Set(value) => check(value).map(Self::Set),
            other => Ok(other),
        }
    }

    /// Returns the new value of a column with the value `before`.
    pub(crate) fn or(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T: Into<Value> + Nullable> Patch<T> {
    pub(crate) fn into_active(self) -> ActiveValue<Option<T>> {
        match self {
            Self::Keep => ActiveValue::NotSet,
            Self::Clear => ActiveValue::Set(None),
            Self::Set(value) => ActiveValue::Set(Some(value)),
        }
    }
}

/// A missing field is [`Patch::Keep`] where the structure has `#[serde(default)]`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl From<&str> for Patch<String> {
    fn from(value: &str) -> Self {
        Self::Set(value.to_owned())
    }
}
