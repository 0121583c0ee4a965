//! Work that is retried until it gets its locks.

use std::time::Duration;

use super::Failure;
use super::batch::Batch;
use crate::connection::Connection;
use crate::owners;
use crate::step::{self, Engine, Step, Target};

pub(super) type Outcome = std::result::Result<Option<String>, Failure>;

/// The unit of a retry.
pub(super) enum Work<'a> {
    Step(&'a Step),
    Batch(Batch),
    /// A step and the record that it is done, in one transaction.
    Once {
        step: &'a Step,
        done: &'a str,
    },
    /// All steps in one transaction.
    All(&'a [Step]),
}

pub(super) async fn do_work(connection: &mut Connection, work: &Work<'_>, number: usize, limit: Duration) -> Outcome {
    let at = |step| move |source| Failure { step, source };
    connection.set_lock_timeout(limit).await.map_err(at(number))?;
    match work {
        Work::Step(step) if connection.engine() == Engine::Postgres && owners::may_meet_another(step) => {
            // One message is one transaction, so a failed check rolls the step back.
            let check = owners::check_of([step.statement()]).unwrap_or_default();
            let sql = format!("{}; {check}", step.statement());
            connection.execute(&sql).await.map(|()| None).map_err(at(number))
        }
        Work::Step(step) => step::apply(connection, step).await.map(|()| None).map_err(at(number)),
        Work::Batch(batch) => batch.go(connection, limit).await.map_err(at(number)),
        Work::Once { step, done } => {
            let both = [step.statement(), *done].map(|sql| Step::sql(sql.to_owned()));
            let outcome = in_transaction(connection, &both).await;
            outcome.map(|()| None).map_err(|Failure { source, .. }| Failure { step: number, source })
        }
        Work::All(steps) => in_transaction(connection, steps).await.map(|()| None),
    }
}

async fn in_transaction(connection: &mut Connection, steps: &[Step]) -> std::result::Result<(), Failure> {
    let at = |step| move |source| Failure { step, source };
    connection.execute("BEGIN").await.map_err(at(0))?;
    for (number, step) in steps.iter().enumerate() {
        if let Err(source) = step::apply(connection, step).await {
            // If this fails too, the connection is lost and the transaction with it.
            drop(connection.execute("ROLLBACK").await);
            return Err(Failure { step: number, source });
        }
    }
    let last = steps.len().saturating_sub(1);
    if let Some(check) = owners::check_of(steps.iter().map(Step::statement))
        && let Err(source) = connection.execute(&check).await
    {
        drop(connection.execute("ROLLBACK").await);
        return Err(Failure { step: last, source });
    }
    connection.execute("COMMIT").await.map_err(at(last))
}
