//! `rylie tenant`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rylie_db::maintenance::{BackupFolder, tenant_named};
use rylie_db::repositories::TenantCounts;
use serde_json::json;

use super::{audit, backup, migrated_database};
use crate::arguments::Global;
use crate::confirm::Question;
use crate::failure::Result;
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
/// The file also contains sessions and API keys, so it is for its owner only; sealed secrets stay sealed. It appears
/// when it is complete; an existing one is never overwritten. With the key that seals the audit log, the export is
/// signed, so that `audit verify-export` detects missing records at its end.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie tenant export user:cmwt6lm8x0005eg7d8vcigauj --out solo.jsonl")]
pub(crate) struct Export {
    /// An agency's id, or `user:<id>` for a user without an agency
    id: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The key that seals the audit log; it signs where the audit records end [default: as for `audit seal`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Import every row of a tenant from a file of `tenant export`, or none
///
/// The database may use the other engine, and must be at the same migration. Audit records are not imported. Sessions,
/// and API keys that are not sealed, are imported only from a file that was written with the same keyring. A file with
/// a super admin, or with rows that reach beyond its tenant, is refused.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie tenant import north.jsonl")]
pub(crate) struct Import {
    /// The file
    file: PathBuf,
}

/// Permanently delete every row of one tenant
///
/// All or nothing; other tenants are not touched, and audit records stay. Refused where the environment marker is
/// production. At a terminal it asks first; elsewhere it is refused without `--yes`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie tenant export cmwt6ln8p00xjeg7dn14141ug --out north.jsonl && rylie tenant erase cmwt6ln8p00xjeg7dn14141ug --yes")]
pub(crate) struct Erase {
    /// An agency's id, or `user:<id>` for a user without an agency
    id: String,
    /// Erase without asking
    #[arg(long, visible_alias = "force")]
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
            format!("left out: {number} of {what}, because the file was not written with this keyring")
        }));
        Ok(Report::new(document, lines.join("\n")))
    }
}

impl Erase {
    async fn run(&self, global: &Global) -> Result<Report> {
        let tenant = tenant_named(&self.id)?;
        let database = migrated_database(global).await?;
        let question = Question {
            text: "This permanently deletes every row of the tenant. Type its id to continue: ",
            word: &self.id,
            declined: "that is not the tenant's id; nothing was erased",
            unasked: "erasing a tenant is permanent; add --yes to confirm it",
        };
        question.confirm(self.yes)?;
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

fn listed(rows: &TenantCounts) -> String {
    table(rows.iter().map(|(name, rows)| (name.as_str(), rows.to_string())))
}
