//! The users of sessions that this process has looked up.
//!
//! A unit may begin for the user to whom its token last belonged. The database checks in the same transaction that it
//! still does, so an entry can be outdated without harm.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rylie_audit::Digest;
use rylie_connection::HeldSession;
use rylie_entities::{AgencyId, SessionId, Timestamp, Token};

use crate::error::{Error, Result};
use crate::scope::SignedInUser;

/// The most users that are kept. Beyond it all are forgotten, and looked up again.
const MOST: usize = 10_000;

/// Users and sessions by the SHA-256 of the session's token.
#[derive(Default)]
pub(crate) struct KnownSessions(Mutex<HashMap<Digest, (SignedInUser, SessionId)>>);

impl KnownSessions {
    /// Returns the user of a token, and the session to check.
    pub(crate) fn get(&self, token: &Token) -> Option<(SignedInUser, Session)> {
        let digest = digest(token);
        let (user, id) = self.users().get(&digest)?.clone();
        Some((user, Session { id, digest: digest.to_string(), confirmed: Confirmed::default() }))
    }

    /// Records what a lookup found.
    pub(crate) fn found(&self, token: &Token, session: Option<(SignedInUser, SessionId)>) {
        let (digest, mut users) = (digest(token), self.users());
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

    fn users(&self) -> MutexGuard<'_, HashMap<Digest, (SignedInUser, SessionId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &Token) -> Digest {
    Digest::of(token.expose().as_bytes())
}

/// A session that the database checks when its unit reads.
pub(crate) struct Session {
    id: SessionId,
    digest: String,
    pub(crate) confirmed: Confirmed,
}

impl Session {
    /// Returns the session with the user whom it must have at a time.
    pub(crate) fn of<'a>(&'a self, user: &'a SignedInUser, at: Timestamp) -> HeldSession<'a> {
        HeldSession {
            session: self.id.as_str(),
            digest: &self.digest,
            user: user.id().as_str(),
            role: user.role().label(),
            agency: user.agency().map(AgencyId::as_str),
            tenant: user.tenant().as_str(),
            at: at.into(),
        }
    }
}

/// Whether the database has confirmed the user of a unit. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Confirmed(Arc<Answers>);

#[derive(Debug, Default)]
struct Answers {
    confirmed: AtomicBool,
    refused: AtomicBool,
}

impl Confirmed {
    /// Returns whether a read of the unit has confirmed the user, and none has found that the session ended or the user
    /// changed.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.confirmed.load(Ordering::Acquire) && !self.0.refused.load(Ordering::Acquire)
    }

    /// Records the answer of a read.
    pub(crate) fn note<T>(&self, read: &Result<T>) {
        match read {
            Ok(_) => self.0.confirmed.store(true, Ordering::Release),
            Err(Error::NotSignedIn) => self.0.refused.store(true, Ordering::Release),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rylie_entities::{SessionId, Token, UserRole};

    use super::{Confirmed, KnownSessions, MOST};
    use crate::error::Error;
    use crate::scope::SignedInUser;

    fn user(id: &str) -> SignedInUser {
        SignedInUser::new(id.parse().unwrap(), UserRole::User, None)
    }

    fn session(id: &str) -> (SignedInUser, SessionId) {
        (user(id), "s".parse().unwrap())
    }

    #[test]
    fn a_user_is_known_from_a_lookup_until_one_that_finds_nobody() {
        let (known, token) = (KnownSessions::default(), Token::new("t"));
        assert!(known.get(&token).is_none());

        known.found(&token, Some(session("u")));
        assert_eq!(known.get(&token).unwrap().0, user("u"));
        assert!(known.get(&Token::new("T")).is_none());

        known.found(&token, None);
        assert!(known.get(&token).is_none());
    }

    #[test]
    fn the_digest_is_the_sha_256_of_the_token() {
        let (known, token) = (KnownSessions::default(), Token::new("abc"));
        known.found(&token, Some(session("u")));

        let (_, session) = known.get(&token).unwrap();

        // The example of FIPS 180-2, appendix B.1.
        assert_eq!(session.digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!session.confirmed.get());
    }

    #[test]
    fn a_user_who_was_refused_once_is_not_confirmed_any_more() {
        let confirmed = Confirmed::default();
        assert!(!confirmed.get());
        confirmed.note(&Ok(()));
        confirmed.note::<()>(&Err(Error::Contention));
        assert!(confirmed.get());

        confirmed.note::<()>(&Err(Error::NotSignedIn));
        confirmed.note(&Ok(()));

        assert!(!confirmed.get());
    }

    #[test]
    fn the_number_of_users_is_limited() {
        let known = KnownSessions::default();
        for number in 0..=MOST {
            known.found(&Token::new(number.to_string()), Some(session("u")));
        }
        assert!(known.get(&Token::new("0")).is_none());
        assert!(known.get(&Token::new(MOST.to_string())).is_some());
    }
}
