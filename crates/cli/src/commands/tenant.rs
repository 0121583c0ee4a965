//! `rylie tenant`

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rylie_db::maintenance::{BackupFolder, tenant_named};
use rylie_db::repositories::TenantCounts;
use serde_json::json;

use super::{audit, backup, migrated_database};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie tenant export cmwt6ln8p00xjeg7dn14141ug --out north.jsonl")]
pub(crate) enum Tenant {
    Export(Export),
    Import(Import),
    Erase(Erase),
}

/// Write every row of one tenant to a file
///
/// The file holds sessions and API keys as well, so it is for its owner alone; sealed secrets stay sealed. It is never
/// written over, and appears when it is whole. Where the key is that seals the audit log, the export is signed, so that
/// `audit verify-export` misses what was left off its end.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie tenant export user:cmwt6lm8x0005eg7d8vcigauj --out solo.jsonl")]
pub(crate) struct Export {
    /// An agency's id, or `user:<id>` for a user of no agency
    id: String,
    /// The file to be written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The key that seals the audit log, to sign up to where its records go [default: as for `audit seal`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Add every row of a tenant from a file that `tenant export` wrote, or none
///
/// The database may be of the other engine, and must be at the same migration. Audit records are not imported. Sessions, and API
/// keys that are not sealed, come back only from a file that was written with the same keyring. A file that holds a super
/// admin, or rows that reach beyond its tenant, is refused.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie tenant import north.jsonl")]
pub(crate) struct Import {
    /// The file
    file: PathBuf,
}

/// Delete every row of one tenant for good
///
/// All or nothing; other tenants are not touched, and audit records stay. Refused where the database is marked as
/// production. At a terminal it asks first.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie tenant export cmwt6ln8p00xjeg7dn14141ug --out north.jsonl && rylie tenant erase cmwt6ln8p00xjeg7dn14141ug")]
pub(crate) struct Erase {
    /// An agency's id, or `user:<id>` for a user of no agency
    id: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Tenant {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Export(export) => export.run(global).await,
            Self::Import(import) => import.run(global).await,
            Self::Erase(erase) => erase.run(global).await,
        }
    }
}

impl Export {
    async fn run(&self, global: &Global) -> Result<Report> {
        let tenant = tenant_named(&self.id)?;
        let database = migrated_database(global).await?;
        let key = audit::signing_key_if_any(self.key.as_deref(), database.config())?;
        let progress = progress::rows(global, "exporting");
        let rows = database.export_tenant(&tenant, &self.out, key.as_ref(), &progress).await?;
        database.close().await;
        Ok(Report::new(json!({ "tenant": tenant, "file": self.out, "rows": rows }), listed(&rows)))
    }
}

impl Import {
    async fn run(&self, global: &Global) -> Result<Report> {
        let database = migrated_database(global).await?;
        let imported = database.import_tenant(&self.file, &progress::rows(global, "importing")).await?;
        database.close().await;
        let document = json!({ "tenant": imported.tenant, "rows": imported.rows, "left_out": imported.left_out });
        let mut lines = vec![listed(&imported.rows)];
        let left_out = imported.left_out.iter();
        lines.extend(left_out.map(|(what, number)| {
            format!("left out: {number} of {what}, as the file was not written with this keyring")
        }));
        Ok(Report::new(document, lines.join("\n")))
    }
}

impl Erase {
    async fn run(&self, global: &Global) -> Result<Report> {
        let tenant = tenant_named(&self.id)?;
        let database = migrated_database(global).await?;
        if !self.yes && io::stdin().is_terminal() && !confirmed(&self.id)? {
            return Err(Failure::Refused("that is not the tenant's id; nothing was erased".to_owned()));
        }
        let rows = database.erase_tenant(&tenant).await?;
        let settings = database.config().clone();
        database.close().await;
        if let Some(place) = settings.backups() {
            let key = audit::signing_key_if_any(None, &settings)?;
            backup::note_erasures(&settings, &BackupFolder::new(place)?, key.as_ref()).await;
        }
        Ok(Report::new(json!({ "tenant": tenant, "rows": rows }), listed(&rows)))
    }
}

fn confirmed(id: &str) -> Result<bool> {
    let failed = |source| Failure::File { doing: "asking at the terminal".to_owned(), source };
    write!(io::stderr(), "This deletes every row of the tenant for good. Type its id to go on: ").map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim() == id)
}

fn listed(rows: &TenantCounts) -> String {
    table(rows.iter().map(|(name, rows)| (name.as_str(), rows.to_string())))
}
