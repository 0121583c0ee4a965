//! The details of an audit record.

use std::fmt;
use std::ops::Deref;

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, QueryResult, TryGetError, TryGetable, Value};
use serde::Serialize;
use serde_json::Value as Json;

/// The additional content of an audit record, beyond its columns. It is read as any JSON document.
///
/// A document counts as a string, its text as the database writes it, in two cases. It is nested deeper than 127, or it
/// contains a number outside the range of a double. Other programs may have written it. It must not prevent records from
/// being listed, sealed or exported.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Details(Json);

impl Details {
    /// Parses the text that the database returns.
    #[must_use]
    pub fn of_text(text: String) -> Self {
        Self(serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    /// Returns the document.
    #[must_use]
    pub fn into_json(self) -> Json {
        self.0
    }
}

impl From<Json> for Details {
    fn from(document: Json) -> Self {
        Self(document)
    }
}

impl Deref for Details {
    type Target = Json;

    fn deref(&self) -> &Json {
        &self.0
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Details> for Value {
    fn from(details: Details) -> Self {
        details.0.into()
    }
}

impl Nullable for Details {
    fn null() -> Value {
        Json::null()
    }
}

/// The column is selected as text.
impl TryGetable for Details {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        String::try_get_by(row, index).map(Self::of_text)
    }
}

impl ValueType for Details {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <Json as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "Details".to_owned()
    }

    fn array_type() -> ArrayType {
        Json::array_type()
    }

    fn column_type() -> ColumnType {
        ColumnType::JsonBinary
    }
}
