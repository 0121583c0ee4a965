//! Who did it.

use rylie_entities::UserId;

/// Who acts, recorded by value.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Actor {
    /// A signed-in user.
    User(UserId),
    /// A job, by its name.
    Job(String),
}

impl Actor {
    /// The text that the log holds: the user's id, or `job:<name>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::Job(name) => format!("job:{name}"),
        }
    }
}
