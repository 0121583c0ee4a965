//! `rylie keys`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rylie_db::crypto::{self, KeyFile, KeyId, Keyring};
use rylie_db::maintenance;
use rylie_db::repositories::{Progress, UnreadableSecret};
use serde_json::json;

use super::migrated_database;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  RYLIE_KEYRING=keyring.json rylie keys list")]
pub(crate) enum Keys {
    Generate(Generate),
    /// Show the id and the state of each key
    #[command(after_help = "Example:\n  rylie keys list --json")]
    List,
    /// Add a new key that seals from now on; the older ones still open
    ///
    /// Services that read this file detect the change. Copy the file to hosts that have their own. Then run `rylie keys
    /// reencrypt`.
    #[command(after_help = "Example:\n  rylie keys rotate && rylie keys reencrypt")]
    Rotate,
    Reencrypt(Reencrypt),
    /// Count the values of each secret column by key and form; 3 if some do not open
    #[command(after_help = "Example:\n  rylie keys report --json")]
    Report,
    Destroy(Destroy),
}

/// Move every secret to the active key, and to the form that its column's policy writes
///
/// The command can be stopped and run again, and others can write during the run. Values that do not open are skipped
/// and listed; the exit code is then 3.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie keys reencrypt --batch 500")]
pub(crate) struct Reencrypt {
    /// Rows per transaction
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
}

/// Destroy a key permanently; refused while it is active, or a value of the database or of a backup is under it
///
/// Values under the key in other databases and in backups are lost. Destroy it when the last backup from before the
/// re-encryption has expired.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie keys destroy 2p9t6kq0x4mz")]
pub(crate) struct Destroy {
    /// The key's id, as shown by `rylie keys list`
    #[arg(value_name = "KID")]
    key: String,
}

/// Write a new keyring that only its owner can read; an existing file is never overwritten
///
/// Without the keyring all sealed values are lost: keep a copy apart from the database's backups.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie keys generate --out keyring.json")]
pub(crate) struct Generate {
    /// The file to write [default: `RYLIE_KEYRING`, else `keyring` in the file of settings]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keys {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Generate(generate) => generate.run(global),
            Self::List => {
                let keyring = KeyFile::new(configured(global)?).load()?;
                Ok(list(&keyring))
            }
            Self::Rotate => {
                let path = configured(global)?;
                let key = KeyFile::new(&path).update(Keyring::rotate)?;
                let text = format!(
                    "{} seals with key {key} from now on; copy the file to every host that opens values, then run `rylie keys reencrypt`",
                    path.display()
                );
                Ok(Report::new(json!({ "key": key.as_str() }), text))
            }
            Self::Reencrypt(reencrypt) => reencrypt.run(global).await,
            Self::Report => report(global).await,
            Self::Destroy(destroy) => destroy.run(global).await,
        }
    }
}

impl Generate {
    fn run(&self, global: &Global) -> Result<Report> {
        let path = self.out.clone().map_or_else(|| configured(global), Ok)?;
        let keyring = Keyring::generate()?;
        let key = keyring.active()?;
        KeyFile::new(&path).create(&keyring)?;
        let json = json!({ "key": key.as_str(), "file": path.display().to_string() });
        Ok(Report::new(json, format!("wrote key {key} to {}; keep a copy in a safe place", path.display())))
    }
}

impl Reencrypt {
    async fn run(&self, global: &Global) -> Result<Report> {
        let path = configured(global)?;
        let active = || Ok::<_, Failure>(KeyFile::new(&path).load()?.active()?.clone());
        let before = active()?;
        let database = migrated_database(global).await?;
        let done =
            maintenance::reencrypt(&*database.store(), self.batch, &progress::rows(global, "re-encrypting")).await?;
        database.close().await;
        let text = format!("re-encrypted {} of {} values{}", done.reencrypted, done.looked_at, written(&done.written));
        let mut json = json!(done);
        json["key"] = json!(before.as_str());
        let verdict = if active()? == before {
            unreadable(&done.unreadable)
        } else {
            Some(Failure::Found("the keyring was rotated during the run; run `rylie keys reencrypt` again".to_owned()))
        };
        Ok(Report::new(json, with_lines(text, &done.unreadable)).with_verdict(verdict))
    }
}

/// Returns what was written: `: 3 under key KID, 2 as legacy-gcm`.
fn written(counts: &BTreeMap<String, u64>) -> String {
    let one = |(kind, values): (&String, &u64)| match kind.as_str() {
        "legacy-gcm" | "legacy-cbc" | "plain" => format!("{values} as {kind}, which the old service reads"),
        key => format!("{values} under key {key}"),
    };
    let all: Vec<String> = counts.iter().map(one).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
}

async fn report(global: &Global) -> Result<Report> {
    configured(global)?;
    let database = migrated_database(global).await?;
    let report = maintenance::key_report(&*database.store(), &Progress::none()).await?;
    database.close().await;
    let rows = report.columns.iter().map(|(column, counts)| (column.as_str(), in_words(counts)));
    let text = with_lines(table(rows), &report.unreadable);
    Ok(Report::new(json!(report), text).with_verdict(unreadable(&report.unreadable)))
}

fn in_words(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> =
        counts.iter().filter(|(_, values)| **values > 0).map(|(kind, values)| format!("{kind} {values}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

impl Destroy {
    async fn run(&self, global: &Global) -> Result<Report> {
        configured(global)?;
        let key: KeyId = self.key.parse().map_err(|error: crypto::Error| Failure::Usage(error.to_string()))?;
        let database = migrated_database(global).await?;
        database.destroy_key(&key).await?;
        database.close().await;
        let text = format!("destroyed key {key}; destroy its copies in backups of the keyring too");
        Ok(Report::new(json!({ "destroyed": key.as_str() }), text))
    }
}

fn unreadable(values: &[UnreadableSecret]) -> Option<Failure> {
    let found = || {
        let how_many = values.len();
        let of_old_key = values.iter().any(|value| value.reason.contains("ENCRYPTION_KEY"));
        let advice = if of_old_key {
            "set ENCRYPTION_KEY to the old service's key, which opens its values"
        } else {
            "restore them, or let their users connect again"
        };
        Failure::Found(format!("{how_many} values cannot be opened and were skipped; {advice}"))
    };
    (!values.is_empty()).then(found)
}

fn with_lines(text: String, values: &[UnreadableSecret]) -> String {
    let lines =
        values.iter().map(|value| format!("unreadable: {} of row {}: {}", value.column, value.row, value.reason));
    std::iter::once(text).chain(lines).collect::<Vec<_>>().join("\n")
}

fn configured(global: &Global) -> Result<PathBuf> {
    let missing = || {
        Failure::Usage(
            "no keyring is named; set RYLIE_KEYRING or `keyring` in rylie.toml to the path of its file".to_owned(),
        )
    };
    global.settings()?.keyring().map(PathBuf::from).ok_or_else(missing)
}

fn list(keyring: &Keyring) -> Report {
    let keys = keyring.keys().map(|(id, state)| json!({ "id": id.as_str(), "state": state }));
    let rows = keyring.keys().map(|(id, state)| (id.as_str(), state.to_string()));
    Report::new(json!({ "keys": keys.collect::<Vec<_>>() }), table(rows))
}
