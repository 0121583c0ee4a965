//! `rylie pitr restore`

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use clap::{ArgGroup, Args};
use rylie_db::Config;
use rylie_db::audit::Action;
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{Lsn, RestoreOptions, RestoreTarget};
use serde_json::{Value, json};

use super::{Place, recorded};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

/// Restore the cluster to a time, into a new data directory
///
/// Transactions that committed at the time or before it are there, later ones are not. A private server, which is reached
/// by a socket only, replays the WAL and promotes at the time. Then it ends. The directory is that of a server that was
/// shut down, with the configuration files of the base and no recovery setting.
///
/// Refused (4) for a directory that is not empty, and for a time outside of the window. 3 if base or WAL are damaged.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("target").required(true)),
    after_help = "Example:\n  rylie pitr restore --to-time 2026-11-26T20:45:18Z --into /var/lib/postgresql/15/restored"
)]
pub(crate) struct Restore {
    /// The time with its zone: 2026-11-26T20:45:18Z, 2026-11-26T21:45:18+01:00 or '2026-11-26 20:45:18 UTC'
    #[arg(long, value_name = "TIME", group = "target")]
    to_time: Option<String>,
    /// The position in the WAL, such as 0/16B3748
    #[arg(long, value_name = "LSN", group = "target")]
    to_lsn: Option<String>,
    /// Everything that was received
    #[arg(long, group = "target")]
    latest: bool,
    /// The new data directory
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Start a server on it afterwards, which stays and is reached by a private socket only
    #[arg(long)]
    run: bool,
    /// The base [default: the newest one before the target]
    #[arg(long, value_name = "ID")]
    base: Option<String>,
    /// The timeline to follow [default: the newest one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    timeline: Option<u32>,
    /// The longest time for the replay, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=720))]
    within: u64,
    #[command(flatten)]
    place: Place,
}

impl Restore {
    fn target(&self) -> Result<RestoreTarget> {
        Ok(match (&self.to_time, &self.to_lsn) {
            (Some(time), _) => time.parse()?,
            (None, Some(lsn)) => RestoreTarget::Position(lsn.parse::<Lsn>()?),
            (None, None) => RestoreTarget::Latest,
        })
    }

    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let (settings, target) = (global.settings()?, self.target()?);
        let options = RestoreOptions {
            base: self.base.clone(),
            timeline: self.timeline,
            within: Duration::from_secs(self.within * 3_600),
            durable: true,
        };
        if self.place.is_pgbackrest(&settings) {
            return self.by_pgbackrest(&settings, target, &options).await;
        }
        let folder = self.place.folder(&settings)?;
        let (restored, erased) = settings.restore_pitr(&folder, target, &self.into, self.run, &options).await?;
        let facts = [("target", target.to_string())];
        let is_recorded = recorded(&settings, Action::PitrRestored, &restored.base, &facts).await;
        let seconds = restored.took.as_secs_f64();
        let json = json!({
            "via": "native",
            "into": restored.into,
            "target": facts[0].1,
            "reached": restored.reached,
            "base": restored.base,
            "timeline": restored.timeline,
            "server": restored.server,
            "seconds": seconds,
            "url": restored.url,
            "erased_again": erased,
            "recorded": is_recorded,
        });
        let reached = restored.reached.map_or_else(
            || "no commit after the base".to_owned(),
            |time| format!("last commit {}", time.to_rfc3339_opts(SecondsFormat::Micros, true)),
        );
        let mut rows = vec![
            ("restored", format!("to {} in {seconds:.2} s", facts[0].1)),
            ("into", restored.into.display().to_string()),
            ("reached", reached),
            ("base", restored.base.clone()),
            ("timeline", restored.timeline.to_string()),
        ];
        rows.extend(erased.tenants.iter().chain(&erased.users).map(|id| ("erased again", id.clone())));
        match &json["url"] {
            Value::String(url) => rows.push(("server", url.clone())),
            _ => rows.push(("next", format!("start PostgreSQL {} on it", restored.server))),
        }
        let text = table(rows);
        Ok(Report::new(json, text))
    }

    async fn by_pgbackrest(
        &self,
        settings: &Config,
        target: RestoreTarget,
        options: &RestoreOptions,
    ) -> Result<Report> {
        if self.run {
            return Err(Failure::Usage("--run is for the native path; start a server on the directory".to_owned()));
        }
        let now = SystemEnv.now();
        let until = if let RestoreTarget::Time(time) = target { time } else { DateTime::UNIX_EPOCH };
        let erased = settings.erased_after(until).await?;
        settings.pgbackrest().await?.restore(target, &self.into, options, now).await?;
        let facts = [("target", target.to_string())];
        let is_recorded = recorded(settings, Action::PitrRestored, "pgbackrest", &facts).await;
        let json = json!({
            "via": "pgbackrest", "into": self.into, "target": facts[0].1, "erase_again": erased, "recorded": is_recorded,
        });
        let mut text = format!("restored into {}\n", self.into.display());
        text.push_str("start a server on it: it replays the WAL, and promotes at the target");
        let again = erased.iter().map(|erasure| format!("\nthen erase again: {} {}", erasure.kind, erasure.id));
        text.extend(again);
        let verdict = (!erased.is_empty()).then(|| {
            Failure::Found(format!("{} erasures after the target must be repeated before the copy opens", erased.len()))
        });
        Ok(Report::new(json, text).with_verdict(verdict))
    }
}
