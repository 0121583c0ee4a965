//! A service's own tables: those of `examples/own_entity`, and those of a second service. The second has an enumeration,
//! a sealed column, a table that refers to itself and one that links two.

mod bookmarks;
#[expect(unreachable_pub, reason = "the crate of an example, mounted as a module")]
#[path = "../../../examples/own_entity/src/lib.rs"]
pub(crate) mod comments;
pub(crate) mod downstream;
mod forgotten;
mod free_file;
mod later_version;
mod missing_parts;
mod on_postgres;
mod on_sqlite;
mod parts;
mod reports;
mod round_trips;
mod seeded;
mod without_policies;
