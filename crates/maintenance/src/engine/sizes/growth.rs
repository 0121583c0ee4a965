//! Sizes over time.

use chrono::{DateTime, TimeDelta, Utc};
use rylie_repositories::{KeptSize, PastSize, Store};
use serde::Serialize;

use super::Sizes;
use crate::error::Result;
use crate::work::operations;

/// The growth of the database.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Growth {
    /// The stored sizes, oldest first.
    pub history: Vec<PastSize>,
    /// Growth over that time, in bytes.
    pub bytes: i64,
    /// Bytes per day; `None` if the history covers less than a day.
    pub bytes_per_day: Option<i64>,
}

/// Stores these sizes for `at`, and thins the history: after 30 days only the first of each day stays, after two years
/// nothing.
pub async fn keep_sizes(store: &dyn Store, at: DateTime<Utc>, sizes: &Sizes) -> Result<()> {
    let whole = KeptSize { table: String::new(), bytes: sizes.database_bytes, rows: None };
    let tables = sizes.tables.iter().map(|table| KeptSize {
        table: table.name.clone(),
        bytes: table.total,
        rows: Some(table.rows),
    });
    let kept: Vec<_> = std::iter::once(whole).chain(tables).collect();
    let unit = operations(store, "storing the sizes").await?;
    unit.done(unit.size_history().keep(at, &kept).await)?;
    let thinned = unit.size_history().thin(at - TimeDelta::days(30), at - TimeDelta::days(730)).await;
    unit.commit(thinned).await.map(drop)
}

/// Returns the growth of the database from an instant to the last stored size.
pub async fn growth(store: &dyn Store, since: DateTime<Utc>) -> Result<Growth> {
    let unit = operations(store, "reading the stored sizes").await?;
    let history = unit.done(unit.size_history().list("", since).await)?;
    let (Some(first), Some(last)) = (history.first(), history.last()) else { return Ok(Growth::default()) };
    let (bytes, hours) = (last.bytes - first.bytes, (last.at - first.at).num_hours());
    let bytes_per_day = (hours >= 24).then(|| bytes * 24 / hours);
    Ok(Growth { history, bytes, bytes_per_day })
}
