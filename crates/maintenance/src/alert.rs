//! Telling people that the database has grown over a threshold: once when it has, once when it is below again.

mod mail;
mod notifier;
mod webhook;

use std::time::Duration;

use chrono::TimeDelta;
use rylie_entities::Env;
use rylie_repositories::{AlertEvent, Delivery, Store};

use crate::bytes::pretty_bytes;
use crate::error::{Error, Result, in_words};

pub use mail::Smtp;
pub use notifier::Notifier;

/// What is watched.
const NAME: &str = "database_bytes";

/// The age of the newest verified backup, in seconds.
const BACKUP_AGE: &str = "verified_backup_age";

/// How long one attempt may take before another process may try.
const HOLD: Duration = Duration::from_secs(90);

/// The longest pause between two attempts.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// Notes the database's size. [`AlertEvent::Crossed`] for the one caller among all processes that finds it above the
/// threshold first, and [`AlertEvent::Recovered`] for the first that finds it below again; each with a delivery to every
/// notifier noted in the same transaction. [`deliver_alerts`] makes them.
pub async fn check_size(
    store: &dyn Store,
    database_bytes: i64,
    threshold: i64,
    notifiers: &[Notifier],
) -> Result<Option<AlertEvent>> {
    let failed = Error::doing("noting the size of the database");
    let unit = store.books().await.map_err(&failed)?;
    let event = unit.alerts().check(NAME, threshold, database_bytes, &targets(notifiers)).await.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    Ok(event)
}

/// Notes the age of the newest verified backup; `None` where there is none. An alert is sent once when it exceeds `limit`, and
/// once when it is within it again; see [`check_size`].
pub async fn check_backup_age(
    store: &dyn Store,
    age: Option<TimeDelta>,
    limit: Duration,
    notifiers: &[Notifier],
) -> Result<Option<AlertEvent>> {
    let failed = Error::doing("noting the age of the newest verified backup");
    let (age, limit) =
        (age.map_or(i64::MAX, |age| age.num_seconds()), i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    let unit = store.books().await.map_err(&failed)?;
    let event = unit.alerts().check(BACKUP_AGE, limit, age, &targets(notifiers)).await.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    Ok(event)
}

/// Makes the deliveries whose time has come, and returns those that are still to be made, with why the last attempt
/// failed. A delivery that fails is tried again by a later call, after a minute at first and after an hour at most; its
/// id is the same each time, as a message that did arrive may be sent again when a process dies at that moment.
pub async fn deliver_alerts(store: &dyn Store, env: &dyn Env, notifiers: &[Notifier]) -> Result<Vec<Delivery>> {
    let failed = Error::doing("delivering alerts");
    let targets = targets(notifiers);
    loop {
        let unit = store.books().await.map_err(&failed)?;
        let Some(delivery) = unit.alerts().take_delivery(&targets, HOLD).await.map_err(&failed)? else {
            return unit.alerts().undelivered().await.map_err(&failed);
        };
        unit.commit().await.map_err(&failed)?;
        let Some(notifier) = notifiers.iter().find(|notifier| notifier.target() == delivery.target) else { continue };
        let sent = notifier.send(&delivery, &words(&delivery)).await;
        let unit = store.books().await.map_err(&failed)?;
        match &sent {
            Ok(()) => unit.alerts().delivered(&delivery.id).await.map_err(&failed)?,
            Err(error) => {
                let why = in_words(error);
                tracing::error!(
                    target_of_alert = delivery.target,
                    error = why,
                    "an alert could not be delivered; it is tried again"
                );
                let again = env.now() + pause(delivery.attempts);
                unit.alerts().delivery_failed(&delivery.id, &why, again).await.map_err(&failed)?;
            }
        }
        unit.commit().await.map_err(&failed)?;
        let outcome = if sent.is_ok() { "delivered" } else { "failed" };
        metrics::counter!("rylie.alert.deliveries", "outcome" => outcome).increment(1);
    }
}

fn targets(notifiers: &[Notifier]) -> Vec<String> {
    notifiers.iter().map(|notifier| notifier.target().to_owned()).collect()
}

fn pause(attempts: i64) -> TimeDelta {
    let doublings = (attempts - 1).clamp(0, 6);
    TimeDelta::minutes(1 << doublings).min(LONGEST_PAUSE)
}

/// What people read.
fn words(delivery: &Delivery) -> String {
    if delivery.alert == BACKUP_AGE {
        return words_of_age(delivery);
    }
    let (size, threshold) = (pretty_bytes(delivery.value), pretty_bytes(delivery.threshold));
    if delivery.event == AlertEvent::Crossed.as_str() {
        format!("The database size is now {size}, exceeding the threshold of {threshold}.")
    } else {
        format!("The database size is {size} again, within the threshold of {threshold}.")
    }
}

fn words_of_age(delivery: &Delivery) -> String {
    const HOUR: i64 = 3_600;
    let limit = delivery.threshold / HOUR;
    if delivery.value == i64::MAX {
        return format!("There is no verified backup; the limit is {limit} hours.");
    }
    let hours = delivery.value / HOUR;
    if delivery.event == AlertEvent::Crossed.as_str() {
        format!("The newest verified backup is {hours} hours old, exceeding the limit of {limit} hours.")
    } else {
        format!("The newest verified backup is {hours} hours old, within the limit of {limit} hours again.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let minutes: Vec<_> = [1, 2, 3, 7, 8, i64::MAX].map(|attempts| pause(attempts).num_minutes()).into();
        assert_eq!(minutes, [1, 2, 4, 60, 60, 60]);
    }
}
