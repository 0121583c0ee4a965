//! Alerts on the database size: one when it crosses a threshold, and one when it is below again.

#[cfg(feature = "alerts")]
mod mail;
#[cfg(not(feature = "alerts"))]
mod no_notifier;
#[cfg(feature = "alerts")]
mod notifier;
mod smtp;
#[cfg(feature = "alerts")]
mod webhook;

use std::time::Duration;

use chrono::TimeDelta;
use rylie_entities::Env;
use rylie_repositories::{AlertEvent, Delivery, Store};

use crate::bytes::pretty_bytes;
use crate::error::{Result, in_words};
use crate::work::operations;

#[cfg(not(feature = "alerts"))]
pub use no_notifier::Notifier;
#[cfg(feature = "alerts")]
pub use notifier::Notifier;
pub use smtp::Smtp;

/// The cause of a failed delivery.
#[cfg(feature = "alerts")]
type NotSent = Box<dyn std::error::Error + Send + Sync>;

/// The name of the watched value.
const NAME: &str = "database_bytes";

/// The age of the newest verified backup, in seconds.
const BACKUP_AGE: &str = "verified_backup_age";

/// For how long no WAL arrived, in seconds.
const WAL_SILENCE: &str = "pitr_lag_seconds";

/// How long a claimed delivery is reserved for one process.
const HOLD: Duration = Duration::from_secs(90);

/// Maximum pause between two attempts.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// Stores the database's size and checks it against the threshold. One caller among all processes gets
/// [`AlertEvent::Crossed`] when the size is above it, and one gets [`AlertEvent::Recovered`] when it is below again.
/// The same transaction stores a delivery to every notifier. [`deliver_alerts`] sends them.
pub async fn check_size(
    store: &dyn Store,
    database_bytes: i64,
    threshold: i64,
    notifiers: &[Notifier],
) -> Result<Option<AlertEvent>> {
    let unit = operations(store, "storing the size of the database").await?;
    let event = unit.alerts().check(NAME, threshold, database_bytes, &targets(notifiers)).await;
    unit.commit(event).await
}

/// Stores the age of the newest verified backup; `None` if there is none. An alert is sent once when it exceeds `limit`,
/// and once when it is within it again; see [`check_size`].
pub async fn check_backup_age(
    store: &dyn Store,
    age: Option<TimeDelta>,
    limit: Duration,
    notifiers: &[Notifier],
) -> Result<Option<AlertEvent>> {
    let (age, limit) =
        (age.map_or(i64::MAX, |age| age.num_seconds()), i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    let unit = operations(store, "storing the age of the newest verified backup").await?;
    let event = unit.alerts().check(BACKUP_AGE, limit, age, &targets(notifiers)).await;
    unit.commit(event).await
}

/// Stores for how long no WAL arrived for point-in-time recovery; `None` if it does not arrive at all. An alert is sent
/// once when that exceeds `limit`, and once when WAL arrives again; see [`check_size`].
pub async fn check_wal_silence(
    store: &dyn Store,
    silence: Option<i64>,
    limit: Duration,
    notifiers: &[Notifier],
) -> Result<Option<AlertEvent>> {
    let limit = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    let unit = operations(store, "storing for how long no WAL arrived").await?;
    let event = unit.alerts().check(WAL_SILENCE, limit, silence.unwrap_or(i64::MAX), &targets(notifiers)).await;
    unit.commit(event).await
}

/// Sends the due deliveries and returns those that are still open, with the error of the last attempt. A failed
/// delivery is retried by later calls, after a minute at first and after an hour at most. Its id stays the same: a
/// message that has arrived may be sent again if a process dies at that moment.
pub async fn deliver_alerts(store: &dyn Store, env: &dyn Env, notifiers: &[Notifier]) -> Result<Vec<Delivery>> {
    let doing = "delivering alerts";
    let targets = targets(notifiers);
    loop {
        let unit = operations(store, doing).await?;
        let Some(delivery) = unit.done(unit.alerts().take_delivery(&targets, HOLD).await)? else {
            return unit.done(unit.alerts().undelivered().await);
        };
        let delivery = unit.commit(Ok(delivery)).await?;
        let Some(notifier) = notifiers.iter().find(|notifier| notifier.target() == delivery.target) else { continue };
        let sent = notifier.send(&delivery, &words(&delivery)).await;
        let unit = operations(store, doing).await?;
        let noted = match &sent {
            Ok(()) => unit.alerts().delivered(&delivery.id).await,
            Err(error) => {
                let why = in_words(error);
                tracing::error!(
                    target_of_alert = delivery.target,
                    error = why,
                    "an alert could not be delivered; it will be retried"
                );
                let again = env.now() + pause(delivery.attempts);
                unit.alerts().delivery_failed(&delivery.id, &why, again).await
            }
        };
        unit.commit(noted).await?;
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

/// Returns the text of the message.
fn words(delivery: &Delivery) -> String {
    if delivery.alert == BACKUP_AGE {
        return words_of_age(delivery);
    }
    if delivery.alert == WAL_SILENCE {
        return words_of_silence(delivery);
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

fn words_of_silence(delivery: &Delivery) -> String {
    let limit = delivery.threshold;
    if delivery.event != AlertEvent::Crossed.as_str() {
        return format!("WAL arrives for point-in-time recovery again, within the limit of {limit} s.");
    }
    let advice = "rylie pitr status shows the cause";
    match delivery.value {
        i64::MAX => format!("No WAL is received for point-in-time recovery; {advice}."),
        silence => format!("No WAL arrived for {silence} s, exceeding the limit of {limit} s; {advice}."),
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
