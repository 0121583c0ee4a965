//! Typed ids: a `UserId` does not compile where a `RequestId` is expected.

/// The text is not an id: empty, longer than [`MAX_ID_BYTES`], or with a control character.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an id: it must have 1 to {MAX_ID_BYTES} bytes and no control characters")]
pub struct InvalidId;

/// The maximum length of an id, in bytes. The platform's ids have 25 (cuid) or 36 (UUID).
pub const MAX_ID_BYTES: usize = 255;

/// The validation of every typed id.
#[doc(hidden)]
pub fn checked(text: &str) -> Result<String, InvalidId> {
    let fits = (1..=MAX_ID_BYTES).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned()).ok_or(InvalidId)
}

/// The crates that [`id!`](crate::id!) uses, for callers that do not depend on them.
#[doc(hidden)]
pub mod needed {
    pub use sea_orm;
    pub use serde;
}

/// Part of [`id!`](crate::id!): a macro's `cfg` asks for the features of the crate that calls it.
#[cfg(feature = "mock")]
#[doc(hidden)]
#[macro_export]
macro_rules! id_for_tests {
    ($name:ident) => {
        impl $name {
            #[allow(dead_code, reason = "not every table has a row for tests")]
            pub(crate) fn for_tests(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

/// Part of [`id!`](crate::id!).
#[cfg(not(feature = "mock"))]
#[doc(hidden)]
#[macro_export]
macro_rules! id_for_tests {
    ($name:ident) => {};
}

/// Defines a typed id over text: parse it with [`FromStr`](std::str::FromStr), create it with `generate`.
///
/// Outside this workspace `rylie_db::own::*` must be in scope.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, $crate::id::needed::sea_orm::DeriveValueType,
        )]
        #[sea_orm(column_type = "Text")]
        pub struct $name(String);

        impl $name {
            /// Generates a new id. It sorts after earlier ones (a version 7 UUID, unless [`Env`](crate::Env) is
            /// replaced).
            #[must_use]
            pub fn generate(env: &dyn $crate::Env) -> Self {
                Self(env.new_id())
            }

            /// Returns the stored text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::id_for_tests!($name);

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::checked(text).map(Self)
            }
        }

        impl $crate::RowId for $name {
            fn generated(env: &dyn $crate::Env) -> Self {
                Self::generate(env)
            }
        }

        impl $crate::id::needed::serde::Serialize for $name {
            fn serialize<S: $crate::id::needed::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::id::needed::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::id::needed::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as $crate::id::needed::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(<D::Error as $crate::id::needed::serde::de::Error>::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&$name> for $crate::id::needed::sea_orm::Value {
            fn from(id: &$name) -> Self {
                id.0.as_str().into()
            }
        }

        impl $crate::id::needed::sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, $crate::id::needed::sea_orm::DbErr> {
                Err($crate::id::needed::sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::{InvalidId, RequestId};

    #[test]
    fn text_that_cannot_be_an_id_is_refused() {
        for text in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert_eq!(text.parse::<RequestId>(), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn a_cuid_and_a_uuid_are_ids() {
        for text in ["cmwt6ln8p00xjeg7dn14141ug", "01932c0e-7a6f-7f3b-8a90-5f3c2b1d0e4f"] {
            assert_eq!(text.parse::<RequestId>().unwrap().as_str(), text);
        }
    }
}
