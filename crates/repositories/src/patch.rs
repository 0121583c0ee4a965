//! A change of a nullable column.

use sea_orm::sea_query::Nullable;
use sea_orm::{ActiveValue, Value};

/// What a call does to a nullable column.
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
    /// Leaves the column as it is.
    #[default]
    Keep,
    /// Makes the column null.
    Clear,
    /// Writes a value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value of the column afterwards, where it was `before`.
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
