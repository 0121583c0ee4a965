//! The transaction's crate, as far as it is used, with a database that notices wrong use.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use shuttle::future::yield_now;

use crate::{chance, number};

pub(crate) type Result<T> = std::result::Result<T, DbErr>;

pub(crate) const BROKEN: &str = "broken";
pub(crate) const READ_ONLY: &str = "read-only";
pub(crate) const SAVEPOINT_ENDED: &str = "ended";

#[derive(Debug)]
pub(crate) enum DbErr {
    Type(String),
    Query,
}

#[derive(Clone, Copy)]
pub(crate) enum DbBackend {
    Postgres,
    Sqlite,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Server {
    Primary,
}

impl Server {
    pub(crate) fn label(self) -> &'static str {
        "primary"
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

pub(crate) struct Endpoint;

pub(crate) struct HolderGuard;

pub(crate) struct UnitMeter;

impl UnitMeter {
    pub(crate) fn belongs_to(&self, _: &str) {}
}

pub(crate) mod telemetry {
    use super::{DbErr, Endpoint, UnitMeter};
    use tracing::Span;

    pub(crate) fn unit(_: &Endpoint) -> Span {
        Span::none()
    }

    pub(crate) struct Telemetry {
        pub(crate) span: Span,
    }

    impl Telemetry {
        pub(crate) fn begin(_: &Span, _: &Endpoint, _: &str, _: Option<&str>, _: Option<&UnitMeter>) -> Self {
            Self { span: Span::none() }
        }

        pub(crate) fn end(self, _: &Result<(), DbErr>, _: Option<&UnitMeter>) {}
    }
}

pub(crate) mod deferred {
    pub(crate) struct Deferred;
}

pub(crate) struct LeasedConnection<DB>(Arc<Database>, PhantomData<DB>);

impl<DB> LeasedConnection<DB> {
    pub(crate) fn new(database: &Arc<Database>) -> Self {
        Self(Arc::clone(database), PhantomData)
    }
}

pub(crate) mod transaction_connection {
    use std::time::Duration;

    use super::LeasedConnection;
    use crate::sqlx::Error;

    pub(crate) struct TransactionConnection<DB>(LeasedConnection<DB>);

    /// Takes the place of the function that ends a transaction.
    pub(crate) fn end() {}

    impl<DB> TransactionConnection<DB> {
        pub(crate) async fn begin(
            leased: LeasedConnection<DB>,
            _: String,
            _: Option<Duration>,
            _: Option<fn()>,
        ) -> Result<Self, Error> {
            Ok(Self(leased))
        }

        pub(crate) async fn run(&mut self, sql: &str) -> Result<(), super::DbErr> {
            self.0.0.run(sql).await
        }

        pub(crate) async fn commit(mut self) -> Result<(), Error> {
            self.run("COMMIT").await.map_err(|_| Error::Refused)
        }

        pub(crate) async fn release(self) {}
    }
}

/// One session of PostgreSQL in a transaction.
#[derive(Default)]
pub(crate) struct Database(Mutex<State>);

#[derive(Default)]
struct State {
    values: Vec<u32>,
    /// Each with the number of values before it.
    savepoints: Vec<(String, usize)>,
    failed: bool,
    /// Whether a statement failed.
    refused: bool,
    committed: Vec<u32>,
}

impl Database {
    pub(crate) fn refused(&self) -> bool {
        self.0.lock().unwrap().refused
    }

    pub(crate) fn committed(&self) -> Vec<u32> {
        self.0.lock().unwrap().committed.clone()
    }

    /// The caller may give up before the statement is sent, and before its answer is there.
    async fn run(&self, sql: &str) -> Result<()> {
        yield_now().await;
        let done = self.0.lock().unwrap().run(sql);
        for _ in 0..number(3) {
            yield_now().await;
        }
        done
    }
}

impl State {
    fn run(&mut self, sql: &str) -> Result<()> {
        if let Some(name) = sql.strip_prefix("ROLLBACK TO SAVEPOINT ") {
            let at = self.place(name);
            self.values.truncate(self.savepoints[at].1);
            self.savepoints.truncate(at + 1);
            self.failed = false;
            return Ok(());
        }
        if sql == "COMMIT" {
            assert!(!self.failed, "a failed transaction is committed");
            self.committed = std::mem::take(&mut self.values);
            return Ok(());
        }
        if self.failed || chance(12) {
            (self.failed, self.refused) = (true, true);
            return Err(DbErr::Query);
        }
        if let Some(name) = sql.strip_prefix("RELEASE SAVEPOINT ") {
            let at = self.place(name);
            self.savepoints.truncate(at);
        } else if let Some(name) = sql.strip_prefix("SAVEPOINT ") {
            self.savepoints.push((name.to_owned(), self.values.len()));
        } else {
            self.values.push(sql.strip_prefix("INSERT ").unwrap().parse().unwrap());
        }
        Ok(())
    }

    fn place(&self, name: &str) -> usize {
        let place = self.savepoints.iter().position(|(other, _)| other == name);
        place.unwrap_or_else(|| panic!("a savepoint that does not exist is ended: {name}"))
    }
}
