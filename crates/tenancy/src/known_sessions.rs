//! The users of sessions that this process has looked up.
//!
//! A unit may begin for the user to whom its token last belonged. The database checks in the same transaction that it
//! still does, so an entry can be outdated without harm.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use rylie_connection::HeldSession;
use rylie_entities::{AgencyId, SessionId, Timestamp, Token};

use crate::scope::SignedInUser;

/// The most users that are kept. Beyond it all are forgotten, and looked up again.
const MOST: usize = 10_000;

/// Users and sessions by the SHA-256 of the session's token.
#[derive(Default)]
pub(crate) struct KnownSessions(Mutex<HashMap<[u8; 32], (SignedInUser, SessionId)>>);

impl KnownSessions {
    /// Returns the user of a token, and the session to check.
    pub(crate) fn get(&self, token: &Token, at: Timestamp) -> Option<(SignedInUser, Session)> {
        let digest = sha256(token);
        let (user, id) = self.users().get(&digest)?.clone();
        let hexadecimal = digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Some((user, Session { id, digest: hexadecimal, at, confirmed: Confirmed::default() }))
    }

    /// Records what a lookup found.
    pub(crate) fn found(&self, token: &Token, session: Option<(SignedInUser, SessionId)>) {
        let (digest, mut users) = (sha256(token), self.users());
        match session {
            None => drop(users.remove(&digest)),
            Some(session) => {
                if users.len() >= MOST && !users.contains_key(&digest) {
                    users.clear();
                }
                users.insert(digest, session);
            }
        }
    }

    fn users(&self) -> MutexGuard<'_, HashMap<[u8; 32], (SignedInUser, SessionId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sha256(token: &Token) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
    bytes
}

/// A session that the database checks when its unit reads.
pub(crate) struct Session {
    id: SessionId,
    digest: String,
    at: Timestamp,
    pub(crate) confirmed: Confirmed,
}

impl Session {
    /// Returns the session with the user whom it must have.
    pub(crate) fn of<'a>(&'a self, user: &'a SignedInUser) -> HeldSession<'a> {
        HeldSession {
            session: self.id.as_str(),
            digest: &self.digest,
            user: user.id().as_str(),
            role: user.role().label(),
            agency: user.agency().map(AgencyId::as_str),
            tenant: user.tenant().as_str(),
            at: self.at.into(),
        }
    }
}

/// Whether the database has confirmed the user of a unit. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Confirmed(Arc<AtomicBool>);

impl Confirmed {
    /// Returns whether a read of the unit has succeeded. The user is confirmed in the transaction of each read.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use rylie_entities::{SessionId, Timestamp, Token, UserRole};

    use super::{KnownSessions, MOST};
    use crate::scope::SignedInUser;

    fn user(id: &str) -> SignedInUser {
        SignedInUser::new(id.parse().unwrap(), UserRole::User, None)
    }

    fn session(id: &str) -> (SignedInUser, SessionId) {
        (user(id), "s".parse().unwrap())
    }

    fn now() -> Timestamp {
        chrono::DateTime::UNIX_EPOCH.into()
    }

    #[test]
    fn a_user_is_known_from_a_lookup_until_one_that_finds_nobody() {
        let (known, token) = (KnownSessions::default(), Token::new("t"));
        assert!(known.get(&token, now()).is_none());

        known.found(&token, Some(session("u")));
        assert_eq!(known.get(&token, now()).unwrap().0, user("u"));
        assert!(known.get(&Token::new("T"), now()).is_none());

        known.found(&token, None);
        assert!(known.get(&token, now()).is_none());
    }

    #[test]
    fn the_digest_is_the_sha_256_of_the_token() {
        let (known, token) = (KnownSessions::default(), Token::new("abc"));
        known.found(&token, Some(session("u")));

        let (_, session) = known.get(&token, now()).unwrap();

        // The example of FIPS 180-2, appendix B.1.
        assert_eq!(session.digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!session.confirmed.get());
    }

    #[test]
    fn the_number_of_users_is_limited() {
        let known = KnownSessions::default();
        for number in 0..=MOST {
            known.found(&Token::new(number.to_string()), Some(session("u")));
        }
        assert!(known.get(&Token::new("0"), now()).is_none());
        assert!(known.get(&Token::new(MOST.to_string()), now()).is_some());
    }
}
