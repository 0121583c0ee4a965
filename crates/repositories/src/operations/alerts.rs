//! Alerts and the deliveries of their messages.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_entities::Timestamp;
use sea_orm::QueryResult;
use serde::Serialize;

use crate::Result;
use crate::tx::Tx;

/// Alerts. Each sends one message when its threshold is crossed, and one when the value is below it again.
///
/// Its methods have no errors of their own; see the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AlertRepository: Send + Sync {
    /// Stores the current value. If it crosses the threshold, up or down, one caller among all processes gets the
    /// event. A delivery for each target is stored in the same unit. Otherwise returns `None`.
    async fn check(&self, name: &str, threshold: i64, value: i64, targets: &[String]) -> Result<Option<AlertEvent>>;

    /// Returns all alerts, sorted by name.
    async fn alerts(&self) -> Result<Vec<Alert>>;

    /// Returns the deliveries that have not succeeded, oldest first.
    async fn undelivered(&self) -> Result<Vec<Delivery>>;

    /// Claims one due delivery to one of these targets for `hold`, or returns `None`. If it neither succeeds nor fails
    /// in that time, it is due again.
    async fn take_delivery(&self, targets: &[String], hold: Duration) -> Result<Option<Delivery>>;

    /// Stores that a delivery succeeded.
    async fn delivered(&self, id: &str) -> Result<()>;

    /// Stores why a delivery failed, and when to retry.
    async fn delivery_failed(&self, id: &str, error: &str, again: DateTime<Utc>) -> Result<()>;

    /// Deletes alerts that were not checked since `before`, and deliveries that are older, successful or not. Returns
    /// the number of rows.
    async fn forget_alerts(&self, before: DateTime<Utc>) -> Result<u64>;
}

/// The event of an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertEvent {
    /// The value is above the threshold.
    Crossed,
    /// The value is no longer above the threshold.
    Recovered,
}

impl AlertEvent {
    /// Returns the word for it in the database and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crossed => "crossed",
            Self::Recovered => "recovered",
        }
    }
}

/// A threshold and its state.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Alert {
    /// The name of the watched value.
    pub name: String,
    /// The value from which it is crossed.
    pub threshold: i64,
    /// Whether it is crossed.
    pub crossed: bool,
    /// The last value.
    pub value: i64,
    /// Time of the last change of state.
    pub changed_at: DateTime<Utc>,
    /// Time of the last check.
    pub checked_at: DateTime<Utc>,
}

/// A message to one target.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// Its id, the same in every attempt, so that a receiver can detect repetitions.
    pub id: String,
    /// Name of the alert.
    pub alert: String,
    /// The displayed target, without passwords and webhook paths.
    pub target: String,
    /// `crossed` or `recovered`.
    pub event: String,
    /// The threshold.
    pub threshold: i64,
    /// The value that was stored.
    pub value: i64,
    /// When the threshold was crossed.
    pub created_at: DateTime<Utc>,
    /// Number of attempts.
    pub attempts: i64,
    /// Time of the next attempt.
    pub next_attempt: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

const DELIVERY: &str = "SELECT id, alert, target, event, threshold, value, created_at, attempts, next_attempt, error FROM rylie_alert_deliveries";

#[async_trait]
impl AlertRepository for Tx {
    async fn check(&self, name: &str, threshold: i64, value: i64, targets: &[String]) -> Result<Option<AlertEvent>> {
        const REGISTER: &str = "INSERT INTO rylie_alerts (name, threshold, crossed, value, changed_at, checked_at) \
             VALUES ($1, $2, false, $3, $4, $4) ON CONFLICT DO NOTHING";
        // The row lock serialises callers, and only the first one sees a change.
        const CHANGE: &str = "UPDATE rylie_alerts SET crossed = $2, value = $3, changed_at = $4, checked_at = $4, threshold = $5 \
             WHERE name = $1 AND crossed <> $2";
        const CHECK: &str = "UPDATE rylie_alerts SET value = $2, checked_at = $3, threshold = $4 WHERE name = $1";
        let now = self.now();
        self.operations()?.run(REGISTER, vec![name.into(), threshold.into(), value.into(), now.into()]).await?;
        let crossed = value > threshold;
        let values = vec![name.into(), crossed.into(), value.into(), now.into(), threshold.into()];
        if self.operations()?.run(CHANGE, values).await? == 0 {
            let values = vec![name.into(), value.into(), now.into(), threshold.into()];
            self.operations()?.run(CHECK, values).await?;
            return Ok(None);
        }
        let event = if crossed { AlertEvent::Crossed } else { AlertEvent::Recovered };
        for target in targets {
            self.note_delivery(name, target, event, threshold, value).await?;
        }
        Ok(Some(event))
    }

    async fn alerts(&self) -> Result<Vec<Alert>> {
        const SQL: &str =
            "SELECT name, threshold, crossed, value, changed_at, checked_at FROM rylie_alerts ORDER BY name";
        let rows = self.operations()?.rows(SQL, Vec::new()).await?;
        let alerts = rows.iter().map(|row| {
            Ok(Alert {
                name: row.try_get_by_index(0)?,
                threshold: row.try_get_by_index(1)?,
                crossed: row.try_get_by_index(2)?,
                value: row.try_get_by_index(3)?,
                changed_at: row.try_get_by_index::<Timestamp>(4)?.utc(),
                checked_at: row.try_get_by_index::<Timestamp>(5)?.utc(),
            })
        });
        alerts.collect()
    }

    async fn undelivered(&self) -> Result<Vec<Delivery>> {
        let sql = format!("{DELIVERY} WHERE delivered_at IS NULL ORDER BY created_at, id");
        self.operations()?.rows(&sql, Vec::new()).await?.iter().map(delivery).collect()
    }

    async fn take_delivery(&self, targets: &[String], hold: Duration) -> Result<Option<Delivery>> {
        const TAKE: &str = "UPDATE rylie_alert_deliveries SET attempts = attempts + 1, next_attempt = $3 \
             WHERE id = $1 AND attempts = $2 AND delivered_at IS NULL";
        let now = self.env().now();
        let due =
            self.undelivered().await?.into_iter().filter(|delivery| {
                targets.contains(&delivery.target) && delivery.next_attempt.is_none_or(|at| at <= now)
            });
        let hold = chrono::TimeDelta::from_std(hold).unwrap_or(chrono::TimeDelta::MAX);
        let until = Timestamp::from(now.checked_add_signed(hold).unwrap_or(DateTime::<Utc>::MAX_UTC));
        for delivery in due {
            let values = vec![delivery.id.as_str().into(), delivery.attempts.into(), until.into()];
            if self.operations()?.run(TAKE, values).await? > 0 {
                return Ok(Some(Delivery { attempts: delivery.attempts + 1, ..delivery }));
            }
        }
        Ok(None)
    }

    async fn delivered(&self, id: &str) -> Result<()> {
        const SQL: &str =
            "UPDATE rylie_alert_deliveries SET delivered_at = $2, next_attempt = NULL, error = NULL WHERE id = $1";
        self.operations()?.run(SQL, vec![id.into(), self.now().into()]).await.map(drop)
    }

    async fn delivery_failed(&self, id: &str, error: &str, again: DateTime<Utc>) -> Result<()> {
        const SQL: &str =
            "UPDATE rylie_alert_deliveries SET error = $2, next_attempt = $3 WHERE id = $1 AND delivered_at IS NULL";
        self.operations()?.run(SQL, vec![id.into(), error.into(), Timestamp::from(again).into()]).await.map(drop)
    }

    async fn forget_alerts(&self, before: DateTime<Utc>) -> Result<u64> {
        let before = Timestamp::from(before);
        let alerts =
            self.operations()?.run("DELETE FROM rylie_alerts WHERE checked_at < $1", vec![before.into()]).await?;
        let deliveries = "DELETE FROM rylie_alert_deliveries WHERE created_at < $1";
        Ok(alerts + self.operations()?.run(deliveries, vec![before.into()]).await?)
    }
}

impl Tx {
    async fn note_delivery(
        &self,
        name: &str,
        target: &str,
        event: AlertEvent,
        threshold: i64,
        value: i64,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO rylie_alert_deliveries (id, alert, target, event, threshold, value, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = vec![
            self.env().new_id().into(),
            name.into(),
            target.into(),
            event.as_str().into(),
            threshold.into(),
            value.into(),
            self.now().into(),
        ];
        self.operations()?.run(SQL, values).await.map(drop)
    }
}

fn delivery(row: &QueryResult) -> Result<Delivery> {
    Ok(Delivery {
        id: row.try_get_by_index(0)?,
        alert: row.try_get_by_index(1)?,
        target: row.try_get_by_index(2)?,
        event: row.try_get_by_index(3)?,
        threshold: row.try_get_by_index(4)?,
        value: row.try_get_by_index(5)?,
        created_at: row.try_get_by_index::<Timestamp>(6)?.utc(),
        attempts: row.try_get_by_index(7)?,
        next_attempt: row.try_get_by_index::<Option<Timestamp>>(8)?.map(Timestamp::utc),
        error: row.try_get_by_index(9)?,
    })
}
