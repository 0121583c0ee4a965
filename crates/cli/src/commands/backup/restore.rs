//! `rylie backup restore`

use clap::Args;
use rylie_db::audit::PublicKey;
use rylie_db::entities::TenantId;
use rylie_db::maintenance::{Backup, BackupFolder, RestoreTarget, tenant_named};
use rylie_db::{Config, Restore as Restoring, RestoreTenant, RestoreTenantAt, Restored, RestoredTenant};
use serde_json::{Value, json};

use super::{Opening, Place, ScratchArgs, TrustArgs, document, note_erasures};
use crate::arguments::Global;
use crate::commands::{audit, existing};
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{Report, table};

/// Restore a backup into an empty database, over an existing one, or one tenant of it
///
/// The files are compared with their checksums first. Ends at the first error. A target that is not empty is refused (4)
/// without `--replace`. On PostgreSQL it takes a superuser, and the roles of the backup must exist.
///
/// Tenants and users that were erased after the backup are erased again: those on the signed list with the backups. `backup
/// create`, `backup restore` and `tenant erase` bring that list up to date with the audit log. Then retention is applied, as
/// the jobs do.
///
/// With `--replace` the backup is restored into a new database, which takes the name of the old one at the end. The old one
/// is kept under another name. With `--tenant` the tenant's rows replace those in the configured database, while other
/// tenants work. With `--at` they are those at a time, by the stanza or folder of `rylie pitr`; a scratch cluster then takes
/// as much space as the cluster (`TMPDIR`). Both are refused (4) where the environment marker is production.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie backup restore 20261126T020000000Z --to postgres://postgres@localhost/restored"
)]
pub(crate) struct Restore {
    /// The backup's id, as `rylie backup list` shows it
    #[arg(required_unless_present = "at", conflicts_with = "at")]
    id: Option<String>,
    /// The database
    #[arg(long, value_name = "URL", required_unless_present = "tenant", conflicts_with = "tenant")]
    to: Option<String>,
    /// Restore over the database, if there is one; the old one is kept under another name
    #[arg(long, requires = "to")]
    replace: bool,
    /// End the sessions of the database that is replaced; PostgreSQL only
    #[arg(long, requires = "replace")]
    end_sessions: bool,
    /// Put this tenant of the configured database back as it was: an agency's id, or `user:<id>`
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Put the tenant back as it was at this time with its zone, by point-in-time recovery instead of a backup
    #[arg(long, value_name = "TIME", requires = "tenant")]
    at: Option<String>,
    /// How many tables are restored at once; for a plain copy of PostgreSQL in a folder only
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    opening: Opening,
    #[command(flatten)]
    trust: TrustArgs,
    /// Accept a backup without a signature, such as one from before the key that seals the audit log
    #[arg(long)]
    unsigned: bool,
    /// Restore although the list of erasures is missing: data erased after the backup is then back
    #[arg(long)]
    without_erasures: bool,
    #[command(flatten)]
    scratch: ScratchArgs,
}

impl Restore {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        if let (Some(at), Some(tenant)) = (&self.at, &self.tenant) {
            return self.one_tenant_at(global, at.parse()?, tenant).await;
        }
        let settings = if self.tenant.is_some() { existing(global).await? } else { global.settings()? };
        if let Some(Ok(target)) = self.to.as_deref().map(Config::target_of) {
            progress::line(global, &target);
        }
        let folder = self.place.folder(&settings)?;
        let backup = folder.get(self.id.as_deref().unwrap_or_default()).await?;
        let key = audit::signing_key_if_any(None, &settings)?;
        let trusted = self.trust.keys(&settings, key.as_ref())?;
        note_erasures(&settings, &folder, key.as_ref()).await;
        match (&self.tenant, &self.to) {
            (Some(tenant), _) => self.one_tenant(global, &settings, (&folder, &backup), &trusted, tenant).await,
            (None, Some(to)) => self.all(global, &settings, (&folder, &backup), &trusted, to).await,
            (None, None) => Err(Failure::Usage("name the database with --to".to_owned())),
        }
    }

    async fn all(
        &self,
        global: &Global,
        settings: &Config,
        (folder, backup): (&BackupFolder, &Backup),
        trusted: &[PublicKey],
        to: &str,
    ) -> Result<Report> {
        let restore = Restoring {
            folder,
            to,
            jobs: self.jobs,
            identity: self.opening.identity.as_deref(),
            trusted,
            unsigned: self.unsigned,
            without_erasures: self.without_erasures,
            replace: self.replace,
            end_sessions: self.end_sessions,
            progress: &progress::bytes(global, "restoring"),
        };
        let Restored { erased, retained, kept_as } = settings.restore_backup(backup, restore).await?;
        let rows: u64 = backup.manifest.rows.values().sum();
        let mut json = document(backup);
        json["restored"] = json!(true);
        json["erased_again"] = json!(erased);
        json["retention"] = json!(retained);
        json["kept_as"] = json!(kept_as);
        let mut text = format!("restored {rows} rows of {}", backup.manifest.id);
        let again = erased.tenants.iter().chain(&erased.users);
        text.extend(again.map(|id| format!("\nerased again {id}")));
        if let Some(problem) = retained.and_then(|retained| retained.audit_problem) {
            text.push_str("\nthe retention of the audit log was not applied: ");
            text.push_str(&problem);
        }
        text.extend(kept_as.map(|name| format!("\nthe old database is kept as {name}")));
        Ok(Report::new(json, text))
    }

    async fn one_tenant(
        &self,
        global: &Global,
        settings: &Config,
        (folder, backup): (&BackupFolder, &Backup),
        trusted: &[PublicKey],
        tenant: &str,
    ) -> Result<Report> {
        let tenant = tenant_named(tenant)?;
        let restore = RestoreTenant {
            folder,
            tenant: &tenant,
            scratch: self.scratch.scratch.as_deref(),
            jobs: self.jobs,
            identity: self.opening.identity.as_deref(),
            trusted,
            unsigned: self.unsigned,
            without_erasures: self.without_erasures,
            progress: &progress::rows(global, "restoring"),
        };
        let restored = settings.restore_tenant(backup, restore).await?;
        Ok(put_back(document(backup), &tenant, &restored))
    }

    async fn one_tenant_at(&self, global: &Global, target: RestoreTarget, tenant: &str) -> Result<Report> {
        let RestoreTarget::Time(time) = target else {
            return Err(Failure::Usage("--at takes a time".to_owned()));
        };
        let (settings, tenant) = (existing(global).await?, tenant_named(tenant)?);
        let key = audit::signing_key_if_any(None, &settings)?;
        let trusted = self.trust.keys(&settings, key.as_ref())?;
        if settings.backups().is_some() {
            note_erasures(&settings, &self.place.folder(&settings)?, key.as_ref()).await;
        }
        let restore = RestoreTenantAt {
            source: &settings.pitr_source().await?,
            time,
            tenant: &tenant,
            scratch: &std::env::temp_dir(),
            trusted: &trusted,
            progress: &progress::rows(global, "restoring"),
        };
        let restored = settings.restore_tenant_at(restore).await?;
        Ok(put_back(json!({ "at": target.to_string() }), &tenant, &restored))
    }
}

fn put_back(mut json: Value, tenant: &TenantId, restored: &RestoredTenant) -> Report {
    json["restored"] = json!(true);
    json["tenant"] = json!(tenant);
    json["removed_rows"] = json!(restored.removed);
    json["restored_rows"] = json!(restored.rows);
    let rows = restored.rows.iter().map(|(name, rows)| (name.as_str(), rows.to_string()));
    Report::new(json, table(rows))
}
