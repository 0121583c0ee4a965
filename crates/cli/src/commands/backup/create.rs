//! `rylie backup create`

use clap::Args;
use rylie_db::audit::{Action, Event};
use serde_json::{Value, json};

use super::{DrillArgs, Place, document, note_erasures, recorded, verify};
use crate::arguments::Global;
use crate::commands::{audit, existing};
use crate::failure::Result;
use crate::progress;
use crate::report::{Report, table};

/// Copy the database into a new folder, with a manifest of what the copy must contain
///
/// One consistent state; writers continue. The copy appears under its name when it is complete and on disk, for its owner
/// alone. A failure leaves nothing and changes no older backup. On PostgreSQL the copy is a dump of `pg_dump` in the
/// directory format, made by the login of `RYLIE_BACKUP_URL`, else by that of the database. Refused (4) for a login that
/// row-level security filters, and for a server that is newer than `pg_dump`. On SQLite it is the file of `VACUUM INTO`.
///
/// The manifest is signed where the key that seals the audit log is readable. A backup counts as good once `backup
/// verify` has restored it; `--verify` does that at once.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie backup create --out /var/backups/rylie --verify --json")]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
    /// Encrypt it: to an age recipient (`age1…`), or with `keyring` under a key of the keyring [default:
    /// `RYLIE_BACKUP_ENCRYPT`, else `backup_encrypt` in the file of settings, else not]
    #[arg(long, value_name = "RECIPIENT")]
    encrypt: Option<String>,
    /// Restore it into a scratch database and check it, as `backup verify` does
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    drill: DrillArgs,
}

impl Create {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = existing(global).await?;
        let folder = self.place.folder(&settings)?;
        let key = audit::signing_key_if_any(self.drill.key.as_deref(), &settings)?;
        let progress = progress::bytes(global, "copying");
        let backup =
            settings.create_backup(&folder, self.drill.jobs, self.encrypt.as_deref(), key.as_ref(), &progress).await?;
        let manifest = &backup.manifest;
        let event = Event::new(Action::BackupCreated).on_row("Backup", &manifest.id).with("sha256", &backup.sha256);
        let is_recorded = recorded(&settings, event).await;
        note_erasures(&settings, &folder, key.as_ref()).await;
        if self.verify {
            return verify::drill(global, &settings, &backup, &self.drill).await;
        }
        let mut json = document(&backup);
        json["verified"] = json!(false);
        json["rto_seconds"] = Value::Null;
        json["certificate"] = Value::Null;
        json["recorded"] = json!(is_recorded);
        let rows: u64 = manifest.rows.values().sum();
        let text = table([
            ("backup", manifest.id.clone()),
            ("place", backup.address()),
            ("size", format!("{} bytes", manifest.bytes())),
            ("rows", format!("{rows} in {} tables, {} tenants", manifest.rows.len(), manifest.tenants.len())),
            ("next", format!("rylie backup verify {}", manifest.id)),
        ]);
        Ok(Report::new(json, text))
    }
}
