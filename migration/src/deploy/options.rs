//! How long a deploy waits, and what it reports meanwhile.

use std::time::Duration;

use crate::connection::LOOK;

/// How long to wait for what.
#[derive(Clone, Debug)]
pub struct Options {
    /// For another migration of the same database to end.
    pub wait: Duration,
    /// For a lock that others would queue behind, each time. PostgreSQL.
    pub lock_timeout: Duration,
    /// For other transactions to end where nobody queues behind (`… CONCURRENTLY`). PostgreSQL.
    pub patience: Duration,
    /// How often a statement that did not get its locks is tried. PostgreSQL.
    pub attempts: u32,
    /// Between two looks of a second connection whether the server is still at work on a statement, which has no time limit.
    /// Three that find it gone end the deploy. PostgreSQL.
    pub look: Duration,
    /// For one batch of rows, whose writers wait as long. A batch that takes longer is undone and tried again with half as
    /// many rows. PostgreSQL.
    pub batch_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(10),
            lock_timeout: Duration::from_secs(2),
            patience: Duration::from_mins(10),
            attempts: 20,
            look: LOOK,
            batch_timeout: Duration::from_millis(250),
        }
    }
}

/// What is being done, for a progress bar or a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another process is migrating this database.
    Waiting {
        /// Its number on the server.
        holder: Option<i32>,
    },
    /// A migration begins.
    Started {
        /// Its name.
        migration: &'a str,
        /// How many steps it has.
        steps: usize,
    },
    /// A step of it begins.
    Step {
        /// Its name.
        migration: &'a str,
        /// Counted from one.
        step: usize,
        /// What is sent.
        statement: &'a str,
    },
    /// A batch of a step is committed.
    Rows {
        /// Its name.
        migration: &'a str,
        /// Counted from one.
        step: usize,
        /// How many rows the step has looked at so far.
        done: u64,
        /// How many there are, by the server's estimate; `None` where it has none.
        of: Option<u64>,
    },
    /// It is applied, or taken back.
    Finished {
        /// Its name.
        migration: &'a str,
    },
    /// Everything is applied, and row-level security does not bind the database all the same: this login may not make
    /// what is missing. A later deploy by one that may does so.
    WithoutWall {
        /// What is missing.
        reason: &'a str,
    },
}

/// Where progress is told.
pub(crate) type Listener<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);
