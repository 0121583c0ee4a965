//! The keys of rows in own tables.

use std::fmt::Display;
use std::hash::Hash;

use crate::Env;

/// The key of a row: a type of [`id!`](crate::id!), or a `String`.
pub trait RowId: Clone + Display + Eq + Hash + Ord + Send + Sync + 'static {
    /// Generates a new key. It sorts after earlier ones.
    fn generated(env: &dyn Env) -> Self;
}

impl RowId for String {
    fn generated(env: &dyn Env) -> Self {
        env.new_id()
    }
}
