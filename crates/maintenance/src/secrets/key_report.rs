//! Counting all secrets by key and form.

use std::collections::BTreeMap;

use rylie_repositories::{Progress, SecretColumn, SecretSurvey, Store, UnreadableSecret};
use serde::Serialize;

use crate::error::Result;
use crate::work::Work;

/// Number of rows read in one transaction.
const BATCH: u64 = 1_000;

const WORK: Work = Work { job: "key-report", reason: "counts secrets by key", doing: "counting secrets by key" };

/// The number of values in each secret column, by key and form.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct KeyReport {
    /// By table and column, such as `GA4Connection.accessToken`; a blind index is a separate column. Each counts by key
    /// id, `legacy-cbc`, `legacy-gcm`, `plain` and `unreadable`. The last four are always present, except in a blind
    /// index.
    pub columns: BTreeMap<String, BTreeMap<String, u64>>,
    /// The values that do not open.
    pub unreadable: Vec<UnreadableSecret>,
}

impl KeyReport {
    /// Returns the number of values under a key, by column. Includes values that name the key and do not open, because
    /// they could never open without it.
    #[must_use]
    pub fn under(&self, key: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for (column, counts) in &self.columns {
            if let Some(values) = counts.get(key).filter(|values| **values > 0) {
                found.insert(column.clone(), *values);
            }
        }
        for value in self.unreadable.iter().filter(|value| value.key.as_deref() == Some(key)) {
            *found.entry(value.column.to_string()).or_default() += 1;
        }
        found
    }

    fn add(&mut self, column: SecretColumn, survey: SecretSurvey) {
        let counts = self.columns.entry(column.to_string()).or_default();
        for kind in ["legacy-cbc", "legacy-gcm", "plain"] {
            counts.entry(kind.to_owned()).or_default();
        }
        *counts.entry("unreadable".to_owned()).or_default() += survey.unreadable.len() as u64;
        for (kind, values) in survey.values {
            *counts.entry(kind).or_default() += values;
        }
        if let Some(index) = column.index() {
            let counts = self.columns.entry(format!("{}.{index}", column.table())).or_default();
            for (key, values) in survey.fingerprints {
                *counts.entry(key).or_default() += values;
            }
        }
        self.unreadable.extend(survey.unreadable);
    }
}

/// Opens every value of every secret column and counts it by key and form. Changes nothing.
///
/// A value counts as unreadable if it is damaged, its key is missing, or it does not open. A value in a form that its
/// column does not accept, or that needs a missing key of the old service, counts by its form.
///
/// Fails with [`Error::Data`](crate::Error::Data) ([`NoKeyring`](rylie_repositories::Error::NoKeyring)) without a
/// keyring. A value that does not open is no error.
pub async fn key_report(store: &dyn Store, progress: &Progress) -> Result<KeyReport> {
    let mut report = KeyReport::default();
    let mut rows = 0;
    let unit = WORK.read(store).await?;
    let columns = unit.secret_values().columns();
    drop(unit);
    for column in columns {
        let mut after = None;
        loop {
            let unit = WORK.read(store).await?;
            let mut survey = unit.done(unit.secret_values().survey(column, after, BATCH).await)?;
            drop(unit);
            after = survey.next.take();
            rows += survey.rows;
            report.add(column, survey);
            progress.report(rows, rows);
            if after.is_none() {
                break;
            }
        }
    }
    Ok(report)
}
