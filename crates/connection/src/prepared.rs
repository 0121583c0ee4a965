//! Statements that are prepared by name on a connection.
//!
//! The driver prepares a statement that it sends alone. These run inside the text that begins a unit or is its own
//! transaction, so this crate names them. The server then parses a statement once, not for every unit, and
//! keeps its plan where that is as cheap as a new one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most statements of one connection.
const MOST: usize = 64;

/// Ends all of them. Runs before the driver's pool takes the connection back, which then may go to another process.
pub(crate) const DEALLOCATE: &str = "DO $$ DECLARE mine text; BEGIN \
     FOR mine IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE name ^@ 'rylie_' LOOP \
     EXECUTE pg_catalog.format('DEALLOCATE %I', mine); END LOOP; END $$";

/// The numbers of the names. A number is used once, so that a name never means two statements.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Distinguishes the names of this process, should a pooler without its setting give it another process's session.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));

/// The statements of one connection, by their text.
#[derive(Default)]
pub(crate) struct Prepared {
    numbers: HashMap<String, u64>,
    /// Whether a statement was sent for preparation and its answer did not come. It may exist or not.
    in_doubt: bool,
}

impl Prepared {
    /// Returns the name of a prepared statement.
    pub(crate) fn name(&self, statement: &str) -> Option<String> {
        self.numbers.get(statement).copied().map(name)
    }

    /// Returns the number for a statement that will now be prepared, or `None` if it should not be. One in doubt is
    /// enough: the others wait until all were deallocated.
    pub(crate) fn begin(&mut self) -> Option<u64> {
        if self.in_doubt || self.numbers.len() >= MOST {
            return None;
        }
        self.in_doubt = true;
        Some(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Records that the statement is prepared.
    pub(crate) fn done(&mut self, statement: String, number: u64) {
        self.in_doubt = false;
        self.numbers.insert(statement, number);
    }

    /// Forgets a statement that failed: another one may have ended it, or changed its table.
    pub(crate) fn forget(&mut self, statement: &str) {
        self.in_doubt |= self.numbers.remove(statement).is_some();
    }
}

/// Returns the name of a statement.
pub(crate) fn name(number: u64) -> String {
    format!("rylie_{:x}_{number}", *PROCESS)
}

#[cfg(test)]
mod tests {
    use super::{MOST, Prepared, name};

    #[test]
    fn a_statement_has_one_name_from_its_preparation_on() {
        let mut prepared = Prepared::default();
        assert_eq!(prepared.name("a"), None);
        let number = prepared.begin().unwrap();
        assert_eq!(prepared.name("a"), None, "it is not known to exist");

        prepared.done("a".to_owned(), number);

        assert_eq!(prepared.name("a"), Some(name(number)));
        assert_ne!(prepared.begin(), Some(number));
    }

    #[test]
    fn while_one_is_in_doubt_no_other_is_prepared() {
        let mut prepared = Prepared::default();
        let first = prepared.begin().unwrap();
        prepared.done("a".to_owned(), first);
        prepared.begin().unwrap();

        assert_eq!(prepared.begin(), None);
        assert!(prepared.name("a").is_some(), "those that exist are used");
    }

    #[test]
    fn one_that_failed_is_forgotten_and_in_doubt() {
        let mut prepared = Prepared::default();
        let number = prepared.begin().unwrap();
        prepared.done("a".to_owned(), number);

        prepared.forget("a");

        assert_eq!((prepared.name("a"), prepared.begin()), (None, None));
    }

    #[test]
    fn a_connection_has_a_limited_number() {
        let mut prepared = Prepared::default();
        for statement in 0..MOST {
            let number = prepared.begin().unwrap();
            prepared.done(statement.to_string(), number);
        }
        assert_eq!(prepared.begin(), None);
    }
}
