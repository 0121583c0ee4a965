//! `rylie keys`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rylie_db::crypto::{KeyFile, Keyring};
use serde_json::json;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  RYLIE_KEYRING=keyring.json rylie keys list")]
pub(crate) enum Keys {
    Generate(Generate),
    /// Show the ids of the keys, and what each may still do
    #[command(after_help = "Example:\n  rylie keys list --json")]
    List,
    /// Add a new key that seals from now on; the older ones go on opening
    #[command(after_help = "Example:\n  rylie keys rotate")]
    Rotate,
}

/// Write a new keyring that only its owner may read; an existing file is never overwritten
///
/// Whoever loses the keyring loses what it sealed: keep a copy apart from the database's backups.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie keys generate --out keyring.json")]
pub(crate) struct Generate {
    /// Where to [default: `RYLIE_KEYRING`, else `keyring` in the file of settings]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keys {
    pub(crate) fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Generate(generate) => generate.run(global),
            Self::List => {
                let keyring = KeyFile::new(configured(global)?).load()?;
                Ok(list(&keyring))
            }
            Self::Rotate => {
                let path = configured(global)?;
                let key = KeyFile::new(&path).update(Keyring::rotate)?;
                let text =
                    format!("{} seals with key {key} from now on; load it wherever values are opened", path.display());
                Ok(Report::new(json!({ "key": key.as_str() }), text))
            }
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
