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
    /// The platform itself, such as a command of an operator, by its name.
    Platform(String),
    /// A user who acts in the name of another one; both are recorded.
    Impersonation {
        /// Who acts.
        actor: UserId,
        /// In whose name.
        subject: UserId,
    },
}

impl Actor {
    /// The text that the log holds: the user's id, `job:<name>` or `platform:<name>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::User(id) | Self::Impersonation { actor: id, .. } => id.to_string(),
            Self::Job(name) => format!("job:{name}"),
            Self::Platform(name) => format!("platform:{name}"),
        }
    }

    /// The user in whose name somebody else acts.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&UserId> {
        match self {
            Self::Impersonation { subject, .. } => Some(subject),
            _ => None,
        }
    }
}
