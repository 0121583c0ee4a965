//! `rylie size`

use chrono::TimeDelta;
use clap::Args;
use rylie_db::Database;
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{
    Growth, Notifier, Sizes, check_size, deliver_alerts, growth, keep_sizes, parse_bytes, pretty_bytes, sizes,
};
use rylie_db::repositories::Delivery;
use serde_json::{Value, json};

use super::{engine_of, existing};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::Report;

/// The table of alerts.
const ALERTS: &str = "rylie_alerts";

/// Tenants in the printed report; `--json` has all of them.
const TENANTS: usize = 20;

/// Show the size of the database, of each table with its indexes, and of each tenant
///
/// A read-only login suffices. With `--alert-above` the exit code is 3 while the size is above the threshold. One alert
/// is sent when the size crosses the threshold and one when it recovers, over all runs and processes. The next run
/// retries failed deliveries. Without `--notify` the targets of the setting `size_notify` get the alert.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie size --alert-above 10GB --notify mailto:ops@example.com")]
pub(crate) struct Size {
    /// Alert above this size: a number with kB, MB, GB or TB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    alert_above: Option<i64>,
    /// The target: mailto:ADDRESS (by the setting `smtp_url`) or a webhook's https:// address; may be given several
    /// times
    #[arg(long, value_name = "TARGET", num_args = 1.., requires = "alert_above", value_delimiter = ',')]
    notify: Vec<String>,
    /// Store the sizes, to show growth
    #[arg(long)]
    keep: bool,
    /// Skip the tenants' rows, whose count takes long on large tables
    #[arg(long)]
    no_tenants: bool,
}

impl Size {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let database = Database::connect(existing(global).await?).await?;
        let sizes = sizes(&engine_of(&database, global)?, !self.no_tenants).await?;
        if sizes.tables.is_empty() {
            return Err(Failure::NotReady(
                "there is no table in this database; run `rylie migrate deploy` to create the tables, or name another database with \
                 --database-url"
                    .to_owned(),
            ));
        }
        if self.keep {
            keep_sizes(&*database.store(), SystemEnv.now(), &sizes).await?;
        }
        // A read-only login has no right to the stored sizes.
        let grown = growth(&*database.store(), SystemEnv.now() - TimeDelta::days(30)).await.ok();
        let report = report(&sizes, grown);
        let report = match self.alert_above {
            // Before an adoption no table holds the alerts, so only the exit code reports.
            Some(threshold) if sizes.tables.iter().all(|table| table.name != ALERTS) => {
                if !self.notify.is_empty() {
                    progress::line(
                        global,
                        "no alert is sent before `rylie migrate deploy` or `rylie adopt`; the exit code reports",
                    );
                }
                Report { verdict: verdict(&sizes, threshold, &[]), ..report }
            }
            Some(threshold) => self.alert(&database, &sizes, threshold, report).await?,
            None => report,
        };
        database.close().await;
        Ok(report)
    }

    async fn alert(&self, database: &Database, sizes: &Sizes, threshold: i64, report: Report) -> Result<Report> {
        let notifiers = self.notifiers(database)?;
        let store = database.store();
        let event = check_size(&*store, sizes.database_bytes, threshold, &notifiers).await?;
        let undelivered = deliver_alerts(&*store, &SystemEnv, &notifiers).await?;
        let mut document = report.json;
        document["alert"] = json!({
            "threshold": threshold,
            "above": sizes.database_bytes > threshold,
            "event": event,
            "undelivered": undelivered,
        });
        Ok(Report { json: document, verdict: verdict(sizes, threshold, &undelivered), ..report })
    }

    fn notifiers(&self, database: &Database) -> Result<Vec<Notifier>> {
        if self.notify.is_empty() {
            return Ok(database.notifiers());
        }
        Ok(self.notify.iter().map(|target| database.notifier(target)).collect::<rylie_db::Result<_>>()?)
    }
}

/// A size above the threshold is a finding in each run. An undelivered alert stays a failure until a target receives it.
fn verdict(sizes: &Sizes, threshold: i64, undelivered: &[Delivery]) -> Option<Failure> {
    let above = sizes.database_bytes > threshold;
    let (size, threshold) = (pretty_bytes(sizes.database_bytes), pretty_bytes(threshold));
    let found = format!("the database has {size}, more than the threshold of {threshold}");
    match undelivered.first() {
        None => above.then_some(Failure::Found(found)),
        Some(first) => {
            let why = first.error.as_deref().unwrap_or("another process is delivering it");
            let reported =
                format!("{} of its alerts are not delivered, and the next run retries them: {why}", undelivered.len());
            Some(if above { Failure::Found(format!("{found}; {reported}")) } else { Failure::NotReady(reported) })
        }
    }
}

fn report(sizes: &Sizes, growth: Option<Growth>) -> Report {
    let mut text = format!("database  {}", pretty_bytes(sizes.database_bytes));
    if let Some(a_day) = growth.as_ref().and_then(|growth| growth.bytes_per_day) {
        text.extend([format!("  (grows by {} a day)", pretty_bytes(a_day))]);
    }
    let width = sizes.tables.iter().map(|table| table.name.len()).max().unwrap_or_default().max("table_name".len());
    text.extend([format!(
        "\n\n{:width$}  {:>11}  {:>11}  {:>11}  {:>9}",
        "table_name", "total_size", "table_size", "index_size", "rows"
    )]);
    for table in &sizes.tables {
        let [total, of_rows, of_indexes] = [table.total, table.table, table.index].map(pretty_bytes);
        text.extend([format!(
            "\n{:width$}  {total:>11}  {of_rows:>11}  {of_indexes:>11}  {:>9}",
            table.name, table.rows
        )]);
    }
    let tenants = sizes.tenants.as_deref().unwrap_or_default();
    if !tenants.is_empty() {
        text.push_str("\n\nrows of each tenant");
    }
    for tenant in tenants.iter().take(TENANTS) {
        text.extend([format!("\n{:>9}  {}", tenant.total, tenant.tenant)]);
    }
    if let Some(more) = tenants.len().checked_sub(TENANTS + 1) {
        text.extend([format!("\n{:>9}  more tenants", more + 1)]);
    }
    let mut document = json!(sizes);
    document["growth"] = growth.map_or(Value::Null, |growth| json!(growth));
    Report::new(document, text)
}
