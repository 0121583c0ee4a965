//! `rylie audit list` and `export`

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use rylie_db::entities::AuditLog;
use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;
use serde_json::json;

use crate::arguments::Global;
use crate::commands::migrated_database;
use crate::failure::Result;
use crate::new_file::NewFile;
use crate::report::{Report, table};

/// The selection of records
#[derive(Args, Debug)]
struct Which {
    /// Only this action, such as `USER_ROLE_UPDATE`
    #[arg(long)]
    action: Option<String>,
    /// Only records of this actor: a user's id, or job:NAME
    #[arg(long)]
    actor: Option<String>,
    /// Only records of this table
    #[arg(long, value_name = "TABLE")]
    resource: Option<String>,
    /// Only records of this row
    #[arg(long, value_name = "ID")]
    resource_id: Option<String>,
    /// Only records of the call with this correlation id
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Only from this time on, such as 2026-11-24T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<DateTime<Utc>>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Utc>>,
}

fn time(text: &str) -> std::result::Result<DateTime<Utc>, &'static str> {
    text.parse().map_err(|_| "write a time as in 2026-11-24T00:00:00Z")
}

/// Show the newest records
///
/// The query itself is recorded.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit list --action USER_ROLE_UPDATE --limit 10")]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// At most this many records
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Write records to a file, one JSON object a line, the newest first
///
/// The file is for its owner only and appears when it is complete. An existing one is not overwritten. The export
/// itself is recorded.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit export --out audit.jsonl --from 2026-11-01T00:00:00Z")]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

impl Which {
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            action: self.action.clone(),
            resource: self.resource.clone(),
            resource_id: self.resource_id.clone(),
            actor: self.actor.clone(),
            correlation: self.correlation.clone(),
            from: self.from,
            until: self.until,
        }
    }

    /// Passes each record to `keep` until it returns `false`.
    async fn each(&self, global: &Global, job: &str, mut keep: impl FnMut(AuditLog) -> Result<bool>) -> Result<()> {
        let database = migrated_database(global).await?;
        let grant = Grant::job(job, "asked for on the command line").map_err(rylie_db::Error::from)?;
        let unit = database.store().platform(grant).await.map_err(rylie_db::Error::from)?;
        let mut page = KeysetRequest::first(PageRequest::MAX_LIMIT);
        'pages: loop {
            let found = unit.audit().list_after(self.filter(), page).await.map_err(rylie_db::Error::from)?;
            for record in found.items {
                if !keep(record)? {
                    break 'pages;
                }
            }
            let Some(next) = found.next else { break };
            page = KeysetRequest::after(PageRequest::MAX_LIMIT, next);
        }
        drop(unit);
        database.close().await;
        Ok(())
    }
}

impl List {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let mut records = Vec::new();
        let keep = |record| {
            records.push(record);
            Ok(records.len() < self.limit)
        };
        self.which.each(global, "audit-list", keep).await?;
        records.truncate(self.limit);
        let rows = records.iter().map(|record| {
            let time = record.created_at.utc().to_rfc3339();
            let row = record.resource_id.as_deref().unwrap_or_default();
            (record.id.as_str(), format!("{time}  {}  {}  {} {row}", record.action, record.user_id, record.resource))
        });
        let text = table(rows);
        Ok(Report::new(json!({ "records": records }), text))
    }
}

impl Export {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let mut file = NewFile::create(&self.out, self.force)?;
        let mut records = 0_u64;
        let keep = |record| {
            records += 1;
            file.line(&json!(record).to_string())?;
            Ok(true)
        };
        self.which.each(global, "audit-export", keep).await?;
        file.publish()?;
        let path = self.out.display();
        Ok(Report::new(
            json!({ "records": records, "file": path.to_string() }),
            format!("wrote {records} records to {path}"),
        ))
    }
}
