//! What is not ours.

use serde::{Deserialize, Serialize};

/// Something that does not belong to the tables' owner, and stands where ours does or would be called by us.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stranger {
    /// What it is: `function public.rylie_tenant_of_user()`.
    pub object: String,
    /// Whose it is.
    pub owner: String,
    /// Whose it should be.
    pub expected: String,
    /// What is wrong with it.
    pub reason: String,
    /// The statement that mends it, for whoever has looked at the object.
    pub fix: String,
}
