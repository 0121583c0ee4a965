//! The own tables of a unit, without a repository.

use rylie_db::own::{OwnTables, TenantUnit};

/// Returns the own tables of a unit, for a test that adds rows or looks at them without a repository. A mock unit has
/// none: give it a mock of the repository.
///
/// # Panics
///
/// Panics for a mock unit.
pub fn tables(unit: &dyn TenantUnit) -> &OwnTables {
    unit.own().repository::<OwnTables>(|tables| tables)
}
