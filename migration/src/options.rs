//! Time limits and progress of a deploy.

use std::time::Duration;

use rylie_driver::Blocker;

use crate::adopt::Preflight;
use crate::connection::LOOK;

/// Time limits and numbers of attempts.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for another migration of the same database.
    pub wait: Duration,
    /// How long one attempt waits for a lock that other sessions would queue behind. Below the server's
    /// `deadlock_timeout` (1 s), so that in a deadlock with a writer it is this statement that gives up. PostgreSQL.
    pub lock_timeout: Duration,
    /// How long a `… CONCURRENTLY` statement waits for other transactions; no session queues behind it. PostgreSQL.
    pub patience: Duration,
    /// How many times a statement is attempted if it does not get its locks. PostgreSQL.
    pub attempts: u32,
    /// How often a second connection checks that the server still executes a statement that has no time limit. Three
    /// consecutive checks without the statement end the deploy. PostgreSQL.
    pub look: Duration,
    /// The time limit of one batch of rows; other writers of these rows wait as long. A batch that exceeds it is rolled
    /// back and retried with half as many rows. PostgreSQL.
    pub batch_timeout: Duration,
    /// Let the fill of the tenant key fire the triggers and rules of others on the filled tables. By default it fires
    /// none, and an adoption by a login that may not prevent it is refused. PostgreSQL.
    pub fire_triggers: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(10),
            lock_timeout: Duration::from_millis(400),
            patience: Duration::from_mins(10),
            attempts: 20,
            look: LOOK,
            batch_timeout: Duration::from_millis(250),
            fire_triggers: false,
        }
    }
}

/// The progress of an operation, for a progress bar or a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeployProgress<'a> {
    /// Another process is migrating this database.
    Waiting {
        /// The session that holds the migration lock, if it was found.
        holder: Option<&'a Blocker>,
    },
    /// An adoption begins.
    Adopting {
        /// The forecast and the conditions that it will meet.
        preflight: &'a Preflight,
    },
    /// A migration begins.
    Started {
        /// Its name.
        migration: &'a str,
        /// The number of its steps.
        steps: usize,
    },
    /// A step of a migration begins.
    Step {
        /// Its name.
        migration: &'a str,
        /// The step's number, from one.
        step: usize,
        /// The statement that is sent.
        statement: &'a str,
    },
    /// A batch of a step was committed.
    Rows {
        /// Its name.
        migration: &'a str,
        /// The step's number, from one.
        step: usize,
        /// The number of rows that the step has processed so far.
        done: u64,
        /// The total number of rows as the server estimates it; `None` without an estimate.
        of: Option<u64>,
    },
    /// A migration was applied or reverted.
    Finished {
        /// Its name.
        migration: &'a str,
    },
    /// A part of row-level security is missing, such as a policy, and the deploy creates what is missing.
    RestoringRowSecurity {
        /// The first missing part.
        missing: &'a str,
    },
    /// All migrations are applied, but row-level security is not in force: this login may not create what is missing. A
    /// later deploy by a login with the right completes it.
    WithoutRowSecurity {
        /// What is missing.
        reason: &'a str,
    },
}

/// The callback that receives progress.
pub(crate) type Listener<'a> = &'a mut (dyn FnMut(DeployProgress<'_>) + Send);
