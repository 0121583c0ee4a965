//! Objects that are not ours.

use serde::{Deserialize, Serialize};

/// An object of another role that has one of our names, or that our statements would call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stranger {
    /// The object, for example `function public.rylie_tenant_of_user()`.
    pub object: String,
    /// Its owner.
    pub owner: String,
    /// The expected owner.
    pub expected: String,
    /// The problem.
    pub reason: String,
    /// The statement that fixes it. Inspect the object first.
    pub fix: String,
}
