//! The actor of an event.

use rylie_entities::UserId;

/// The actor of an event, recorded by value.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Actor {
    /// A signed-in user.
    User(UserId),
    /// A job.
    Job(String),
    /// The platform itself, such as an operator's command.
    Platform(String),
    /// A user who acts in another user's name; both are recorded.
    Impersonation {
        /// The user who acts.
        actor: UserId,
        /// The user in whose name.
        subject: UserId,
    },
}

impl Actor {
    /// Returns the text stored in the log: the user's id, `job:<name>` or `platform:<name>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::User(id) | Self::Impersonation { actor: id, .. } => id.to_string(),
            Self::Job(name) => format!("job:{name}"),
            Self::Platform(name) => format!("platform:{name}"),
        }
    }

    /// Returns the user in whose name the actor works, if any.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&UserId> {
        match self {
            Self::Impersonation { subject, .. } => Some(subject),
            _ => None,
        }
    }
}
