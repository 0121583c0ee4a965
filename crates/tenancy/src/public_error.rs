//! The public side of an error: what a client of a service may see.

use std::time::Duration;

use crate::error::Error;

impl Error {
    /// Returns the error's stable name, such as `not-found`. A service may publish it as the type of a problem.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::Conflict { .. } => "conflict",
            Self::Reference { .. } => "reference",
            Self::Invalid { .. } | Self::InvalidColumn { .. } => "invalid",
            Self::QuotaExceeded { .. } => "quota-exceeded",
            Self::NotSignedIn => "not-signed-in",
            Self::KeyReused => "idempotency-key-reused",
            Self::Forbidden { .. } => "forbidden",
            Self::Protected => "protected",
            Self::PoolExhausted { .. } => "busy",
            Self::Timeout => "timeout",
            Self::Contention => "contention",
            Self::ConnectionLost(_) => "unavailable",
            Self::OutcomeUnknown(_) => "outcome-unknown",
            Self::MayNotSeal
            | Self::NoPlatform
            | Self::ForeignFile
            | Self::UnitFailed
            | Self::Internal { .. }
            | Self::NoKeyring
            | Self::Secret(_)
            | Self::Audit(_)
            | Self::Database(_) => "internal",
        }
    }

    /// Returns the HTTP status code that describes the error. 400 to 499: the call was refused and nothing was changed.
    /// 503: the service cannot answer now; see [`retry_after`](Self::retry_after). 500: an error of the service.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.kind() {
            "invalid" => 400,
            "not-signed-in" => 401,
            "quota-exceeded" | "forbidden" | "protected" => 403,
            "not-found" => 404,
            "conflict" | "reference" => 409,
            "idempotency-key-reused" => 422,
            "busy" | "timeout" | "contention" | "unavailable" | "outcome-unknown" => 503,
            _ => 500,
        }
    }

    /// Returns a message for a client. It names no table's constraint, no server, no setting and no line of code, and
    /// contains no value of a row.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::QuotaExceeded { .. }
            | Self::NotSignedIn
            | Self::KeyReused
            | Self::Forbidden { .. } => self.to_string(),
            Self::Conflict { .. } => "a unique value exists already; choose a different one".to_owned(),
            Self::Reference { .. } => {
                "a referenced row is missing, or other rows refer to this one; correct the reference, or remove those \
                 rows first"
                    .to_owned()
            }
            Self::InvalidColumn { column, reason, .. } => format!("the value of {column} is not acceptable: {reason}"),
            Self::Protected => "this is not permitted in production; nothing was changed".to_owned(),
            Self::PoolExhausted { .. } | Self::Contention | Self::ConnectionLost(_) => {
                "the service cannot answer now, and nothing was changed; try again".to_owned()
            }
            Self::Timeout => {
                "the call waited too long for another one, or took too long itself; nothing was changed: try again, or ask \
                 for less"
                    .to_owned()
            }
            Self::OutcomeUnknown(_) => {
                "whether the call took effect is unknown; read before you repeat it, or repeat it with the same \
                 idempotency key"
                    .to_owned()
            }
            _ => "the service failed to answer; its log has the reason".to_owned(),
        }
    }

    /// Returns how long a client should wait before it repeats the call; `None` if a repetition does not help or may
    /// not be safe.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::PoolExhausted { .. } | Self::Contention | Self::ConnectionLost(_) | Self::Timeout => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn a_public_message_names_neither_constraints_nor_holders() {
        let conflict = Error::Conflict { entity: "User".to_owned(), field: "apiKeyIndex".to_owned() };
        let reference = Error::Reference { constraint: Some("Request_userId_fkey".to_owned()) };
        let busy = Error::PoolExhausted {
            waited: std::time::Duration::from_secs(1),
            size: 10,
            in_use: 10,
            waiting: 3,
            longest: Vec::new(),
        };

        for (error, status) in [(conflict, 409), (reference, 409), (busy, 503), (Error::NoKeyring, 500)] {
            let message = error.public_message();
            assert_eq!(error.status(), status);
            for inner in ["apiKeyIndex", "fkey", "max_connections", "RYLIE"] {
                assert!(!message.contains(inner), "{message}");
            }
        }
    }

    #[test]
    fn a_repetition_is_proposed_only_where_nothing_was_changed() {
        assert!(Error::Contention.retry_after().is_some());
        assert!(Error::Timeout.retry_after().is_some());
        assert!(Error::KeyReused.retry_after().is_none());
    }
}
