//! Evidence outside the database that a verification compares the log with.

use rylie_db::Config;
use rylie_db::audit::Outside;
use rylie_db::maintenance::kept_checkpoints;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// Reads the checkpoints at the place that the settings name for the sealer, and returns them with that place.
pub(super) fn kept(settings: &Config) -> Result<(Outside, Option<String>)> {
    let Some(place) = settings.audit_checkpoints() else { return Ok((Outside::default(), None)) };
    let found = kept_checkpoints(place)?;
    Ok(found.map_or_else(|| (Outside::default(), None), |outside| (outside, Some(place.to_owned()))))
}

/// Fails for a sealed log if the settings name a place of checkpoints and none were `found`.
pub(super) fn refuse_lost(settings: &Config, found: Option<&str>, sealed: bool) -> Result<()> {
    let Some(place) = settings.audit_checkpoints().filter(|_| sealed && found.is_none()) else { return Ok(()) };
    Err(Failure::NotReady(format!(
        "the log was sealed, but there are no checkpoints at {place}, the place of `audit_checkpoints`; find them, and \
         name their file with --checkpoint"
    )))
}

/// The evidence that an attacker on the database cannot rewrite.
pub(super) struct Compared {
    pub(super) place: Option<String>,
    pub(super) checkpoints: u64,
    /// Whether the state of an earlier verification was used.
    pub(super) earlier: bool,
}

impl Compared {
    pub(super) fn json(&self) -> Value {
        self.place.as_ref().map_or(Value::Null, |place| json!({ "place": place, "checkpoints": self.checkpoints }))
    }

    pub(super) fn in_words(&self) -> String {
        match (&self.place, self.earlier) {
            (Some(place), _) => format!("compared with {} checkpoints at {place}", self.checkpoints),
            (None, true) => {
                "compared with the state of an earlier verification, and with no checkpoint kept outside the database"
                    .to_owned()
            }
            (None, false) => {
                "no checkpoint kept outside the database was compared, so an older copy or a rebuilt log is not \
                              detected; name a file with --checkpoint"
                    .to_owned()
            }
        }
    }
}
