//! The properties of a table that its repositories need.

use std::any::TypeId;
use std::marker::PhantomData;

use sea_orm::{ActiveEnum, EntityTrait, Value};

use super::{Keyed, KeysetRow, KeysetTable};
use crate::RowId;

/// A table whose repositories use `Table`: a service's own, and those of the platform that have a list order.
/// `#[derive(TenantOwned)]` implements it.
pub trait RepositoryTable: Keyed + KeysetTable + EntityTrait<Model: KeysetRow> {
    /// The type of its key.
    type Id: RowId;

    /// Its columns with a meaning.
    const OWN: OwnColumns<Self::Column>;

    /// Returns the key of a row.
    fn id(row: &Self::Model) -> &Self::Id;
}

/// A service's own table. `#[derive(TenantOwned)]` implements it. No table of the platform has it, so a service's code
/// reaches those by their repositories only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no table of a service",
    note = "a service's entity has #[derive(TenantOwned)] on its `Model`; a table of the platform has a repository"
)]
pub trait OwnTable: RepositoryTable {}

/// The columns of a table with a meaning.
#[derive(Clone, Copy, Debug)]
pub struct OwnColumns<C: 'static> {
    /// The user whose rows a user without administrator rights reaches; without it, all rows of the tenant.
    pub owner: Option<C>,
    /// The time at which a row was added.
    pub created_at: Option<C>,
    /// The columns with secrets.
    pub sealed: &'static [C],
    /// The columns whose changes are recorded with both values.
    pub audited: &'static [C],
    /// Whether rows are never changed or removed, except with their parents and their tenant.
    pub append_only: bool,
    /// The columns whose texts or JSON documents have another limit than 262,144 bytes, with that limit. `None` where the
    /// repositories check the lengths.
    pub max_bytes: Option<&'static [(C, usize)]>,
    /// The columns with a type of the service or of the platform, such as another table's id or an enumeration.
    pub typed: &'static [TypedColumn<C>],
}

/// A column with a type of the service or of the platform.
#[derive(Clone, Copy, Debug)]
pub struct TypedColumn<C: 'static> {
    /// The column.
    pub column: C,
    /// Returns its type without `Option`.
    pub id: fn() -> TypeId,
    /// Returns the texts of an enumeration, in the order of its variants; empty for another type.
    pub labels: fn() -> Vec<String>,
}

/// The texts of a type, for `#[derive(TenantOwned)]`: `Labels::<T>::texts()` calls this one for an enumeration, and that
/// of [`NoLabels`] for another type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Labels<T>(PhantomData<T>);

impl<T: ActiveEnum> Labels<T> {
    /// Returns the texts of the enumeration; none if it has numbers.
    #[must_use]
    pub fn texts() -> Vec<String> {
        let text = |variant: T| match variant.into_value().into() {
            Value::String(text) => text,
            _ => None,
        };
        T::iter().filter_map(text).collect()
    }
}

/// See [`Labels`].
#[doc(hidden)]
pub trait NoLabels {
    /// Returns nothing.
    #[must_use]
    fn texts() -> Vec<String> {
        Vec::new()
    }
}

impl<T> NoLabels for Labels<T> {}

/// A table whose rows may be read next to a service's own ones, within the unit's reach: an own table, or one of these
/// of the platform. Sessions, accounts and connections are not among them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not read next to a service's rows",
    note = "own tables are, and `agency`, `request`, `task` and `user` of the platform"
)]
pub trait Readable: Keyed {}
impl Readable for crate::agency::Entity {}
impl Readable for crate::request::Entity {}
impl Readable for crate::task::Entity {}
impl Readable for crate::user::Entity {}
