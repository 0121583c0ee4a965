//! Ids of rows that a user has once, derived from the user's id.

use ring::digest::{Context, SHA256};
use uuid::Builder;

use crate::UserId;

/// Separates these digests from every other use of SHA-256.
const DOMAIN: &str = "rylie.row-of-user.v1";

/// Returns the id of a user's row in a table: a version 8 UUID (RFC 9562) of a SHA-256 digest.
///
/// An id has no control character, so the separated parts are unambiguous.
pub(crate) fn row_of_user(table: &str, user: &UserId) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update([DOMAIN, table, user.as_str()].join("\0").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finish().as_ref()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use crate::{Ga4ConnectionId, SearchConsoleConnectionId, UserId};

    #[test]
    fn an_id_depends_on_the_table_and_the_user_alone_and_never_changes() {
        let (ann, bob): (UserId, UserId) = ("ann".parse().unwrap(), "bob".parse().unwrap());

        assert_eq!(Ga4ConnectionId::of(&ann).as_str(), "daaf7e55-da74-8892-ba58-9474702853bd");
        assert_eq!(SearchConsoleConnectionId::of(&ann).as_str(), "11f649da-848c-8ebf-927a-96199a11b3f5");
        assert_eq!(Ga4ConnectionId::of(&ann), Ga4ConnectionId::of(&ann.clone()));
        assert_ne!(Ga4ConnectionId::of(&ann), Ga4ConnectionId::of(&bob));
    }
}
