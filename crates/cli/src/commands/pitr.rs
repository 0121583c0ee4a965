//! `rylie pitr`

mod base;
mod check;
mod drill;
mod restore;
mod status;

use clap::{Args, Subcommand, ValueEnum};
use rylie_db::Config;
use rylie_db::audit::Action;
use rylie_db::maintenance::PitrFolder;
use serde_json::json;

use super::maintain;
use super::superuser::refuse_foreign_code;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, done_or_warn};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie pitr init && rylie pitr base && rylie pitr status")]
pub(crate) enum Pitr {
    Init(check::Init),
    Check(check::Check),
    Receive(Receive),
    Base(base::Base),
    Status(status::Status),
    Restore(restore::Restore),
    Drill(drill::Drill),
}

/// Where bases and WAL are, and by which programs they are made
#[derive(Args, Debug)]
struct Place {
    /// The folder of bases and WAL [default: `RYLIE_PITR_FOLDER`, else `pitr_folder` in the file of settings]
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,

    /// By which programs [default: pgBackRest if `pitr_stanza` is set, else PostgreSQL's own]
    #[arg(long, value_enum)]
    via: Option<Via>,
}

/// By which programs the work is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Via {
    /// PostgreSQL's own programs
    Native,
    /// pgBackRest 2.55 or newer, with a configured stanza
    Pgbackrest,
}

impl Place {
    fn is_pgbackrest(&self, settings: &Config) -> bool {
        match self.via {
            Some(via) => via == Via::Pgbackrest,
            None => self.folder.is_none() && settings.pitr_stanza().is_some(),
        }
    }

    fn folder(&self, settings: &Config) -> Result<PitrFolder> {
        Ok(settings.pitr_folder(self.folder.as_deref())?)
    }
}

/// Receive WAL into the folder, until SIGTERM or SIGINT
///
/// Runs PostgreSQL's `pg_receivewal` with the replication slot, and starts it again when it ends. Each part of the WAL
/// is on disk before it is acknowledged. Run it as a service: `packaging/systemd/rylie-pitr-receive.service`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr receive --folder /var/lib/rylie/pitr")]
pub(crate) struct Receive {
    /// The folder of bases and WAL [default: `RYLIE_PITR_FOLDER`, else `pitr_folder` in the file of settings]
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
}

impl Receive {
    async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let folder = settings.pitr_folder(self.folder.as_deref())?;
        settings.receive_wal(&folder).await?;
        Ok(Report::new(json!({ "stopped": false }), "the receiver ended"))
    }
}

impl Pitr {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let stop = maintain::stop()?;
        tokio::select! {
            biased;
            done = self.work(global) => done,
            () = stop => match self {
                Self::Receive(_) => Ok(Report::new(json!({ "stopped": true }), "stopped")),
                _ => Err(Failure::NotReady("stopped by a signal; nothing unfinished is kept".to_owned())),
            },
        }
    }

    async fn work(&self, global: &Global) -> Result<Report> {
        // A restore has no server yet.
        if !matches!(self, Self::Restore(_)) {
            refuse_foreign_code(&global.settings()?).await?;
        }
        match self {
            Self::Init(init) => init.run(global).await,
            Self::Check(check) => check.run(global).await,
            Self::Receive(receive) => receive.run(global).await,
            Self::Base(base) => base.run(global).await,
            Self::Status(status) => status.run(global).await,
            Self::Restore(restore) => restore.run(global).await,
            Self::Drill(drill) => drill.run(global).await,
        }
    }
}

/// Whether it is in the audit log. A login that may only read cannot record it, and a lost database cannot either.
async fn recorded(settings: &Config, action: Action, id: &str, facts: &[(&'static str, String)]) -> bool {
    done_or_warn(&settings.record_pitr(action, id, facts).await, "this is not in the audit log")
}
