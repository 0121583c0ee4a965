//! `rylie audit witness`

use std::path::PathBuf;

use clap::Args;
use rylie_db::audit::{self, PublicKey, SigningKey};
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{self, witness_audit};
use rylie_db::repositories;
use serde_json::json;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Sign what was seen of a log, by its published checkpoints; exit code 3 if they fork or go back
///
/// Run it by cron on a machine that neither the administrators of the database nor the sealer control. It needs no
/// database. It remembers the last checkpoint and signs a later one only if that continues the same log. Verifiers then
/// require its statements: `rylie audit verify --witness KEY --witness-statements FILE`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie audit keygen --out witness.key\n  rylie audit witness --name witness.example.com/w1 \
                  --key witness.key --state witness.json --checkpoints /mnt/log/checkpoints.txt --out statements.txt --begin"
)]
pub(crate) struct Witness {
    /// The name of the witness, such as an address without scheme; it is part of its key
    #[arg(long)]
    name: String,
    /// The key of the witness, from `rylie audit keygen`; not the key that seals
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What the witness remembers; keep it where no one else may write
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// The place of the checkpoints: a file, or `s3://BUCKET/PREFIX` [default: the first of `audit_checkpoints`]
    #[arg(long, value_name = "PLACE")]
    checkpoints: Option<String>,
    /// The file of statements to add to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Trust only this key of the sealer (may be given several times), instead of every key that checkpoints name
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_PUBLIC_KEY", value_delimiter = ',')]
    public_key: Vec<String>,
    /// Begin with a new state, at the first run; refused if the witness has signed before
    #[arg(long)]
    begin: bool,
}

impl Witness {
    pub(crate) fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let place = match (&self.checkpoints, settings.audit_checkpoints()) {
            (Some(place), _) => place.as_str(),
            (None, Some(places)) => places.split(',').next().unwrap_or_default().trim(),
            (None, None) => {
                return Err(Failure::Usage("name the place of the checkpoints by --checkpoints".to_owned()));
            }
        };
        let trusted: Vec<PublicKey> =
            self.public_key.iter().map(|key| PublicKey::parse(key)).collect::<std::result::Result<_, _>>()?;
        let key = SigningKey::load(&self.key)?;
        let mut witness = audit::Witness::open(key, &self.name, &self.state, &self.out, self.begin).map_err(refusal)?;
        let before = witness.seen().batch();
        let now = u64::try_from(SystemEnv.now().timestamp()).unwrap_or_default();
        let statement = witness_audit(place, &mut witness, &trusted, now).map_err(|error| match error {
            maintenance::Error::Data { source: repositories::Error::Audit(source), .. } => refusal(source),
            error => error.into(),
        })?;
        let (batch, name) = (witness.seen().batch(), witness.name().to_string());
        let text = format!("seen up to batch {batch}, {} new; the key of this witness is\n{name}", batch - before);
        let document =
            json!({ "ok": true, "batch": batch, "new": batch - before, "witness": name, "statement": statement });
        Ok(Report::new(document, text))
    }
}

/// A log that forks or goes back is a finding. A lost state is refused.
fn refusal(error: audit::Error) -> Failure {
    match error {
        audit::Error::Forked { .. }
        | audit::Error::Shorter { .. }
        | audit::Error::OtherDatabase
        | audit::Error::Untrusted { .. }
        | audit::Error::Malformed { what: "consistency proof", .. } => Failure::Found(error.to_string()),
        audit::Error::StateLost { .. } => Failure::Refused(error.to_string()),
        error => error.into(),
    }
}
