//! The keyring, and the secrets under it.

use std::time::Duration;

use rylie_crypto::{KeyFile, KeyState};
use rylie_maintenance::{DoctorFacts, Outcome, Verdict, key_report};
use rylie_repositories::Progress;

use super::{Wanted, in_words, limited};
use crate::config::Config;
use crate::database::Database;

/// Checks the keyring's file. Returns whether it can be used.
pub(super) fn look(config: &Config, wanted: &Wanted<'_>, facts: &mut DoctorFacts) -> bool {
    let Some(path) = config.keyring() else {
        if wanted.has("application.keyring") {
            facts
                .outcomes
                .insert("application.keyring", Outcome::not_checked("no keyring is configured; set `keyring`"));
        }
        return false;
    };
    let outcome = match KeyFile::new(path).load() {
        Ok(keyring) => {
            let usable = keyring.keys().filter(|(_, state)| *state != KeyState::Destroyed);
            let mut keys: Vec<(bool, String)> =
                usable.map(|(id, state)| (state != KeyState::Active, id.to_string())).collect();
            keys.sort();
            let detail = format!("{} keys can be used", keys.len());
            facts.keys = Some(keys.into_iter().map(|(_, id)| id).collect());
            Outcome::ok(detail)
        }
        Err(error) => Outcome::found(Verdict::Critical, "keyring", in_words(&error)),
    };
    let usable = facts.keys.is_some();
    facts.outcomes.insert("application.keyring", outcome);
    usable
}

/// Opens every secret. In deep runs only, because this is recorded in the audit log.
pub(super) async fn open(
    database: &Database,
    usable: bool,
    wanted: &Wanted<'_>,
    part: Duration,
    facts: &mut DoctorFacts,
) {
    const ID: &str = "application.secrets-open";
    if !wanted.has(ID) {
        return;
    }
    let outcome = if !usable {
        Outcome::not_checked("there is no keyring to open values with")
    } else if !wanted.options.deep {
        Outcome::not_checked("values are opened with --deep only, which is recorded in the audit log")
    } else {
        match limited(part, key_report(&*database.store(), &Progress::none())).await {
            Err(reason) => Outcome::not_checked(reason),
            Ok(report) => {
                let healthy = Outcome::ok("every sealed value opens");
                report.columns.iter().fold(healthy, |outcome, (column, counts)| {
                    let unreadable = counts.get("unreadable").copied().unwrap_or_default();
                    if unreadable == 0 {
                        return outcome;
                    }
                    outcome.with(
                        Verdict::Critical,
                        format!("column {column}"),
                        format!("{unreadable} values do not open"),
                    )
                })
            }
        }
    };
    facts.outcomes.insert(ID, outcome);
}
