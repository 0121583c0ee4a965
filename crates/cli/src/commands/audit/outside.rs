//! What a verification of the log compares it with, of what is kept outside the database.

use rylie_db::Config;
use rylie_db::audit::Outside;
use rylie_db::maintenance::kept_checkpoints;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// The checkpoints at the place that the settings name for the sealer, and the place. A log that was sealed has some there.
pub(super) fn kept(settings: &Config, sealed: bool) -> Result<(Outside, Option<String>)> {
    let Some(place) = settings.audit_checkpoints() else { return Ok((Outside::default(), None)) };
    match kept_checkpoints(place)? {
        Some(outside) => Ok((outside, Some(place.to_owned()))),
        None if !sealed => Ok((Outside::default(), None)),
        None => Err(Failure::NotReady(format!(
            "the log was sealed, and there are no checkpoints at {place}, which `audit_checkpoints` names; look where they \
             are, and name their file with --checkpoint"
        ))),
    }
}

/// What the log was compared with that whoever rewrites the database cannot rewrite.
pub(super) struct Compared {
    pub(super) place: Option<String>,
    pub(super) checkpoints: u64,
    /// Whether the state of an earlier verification.
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
                "no checkpoint kept outside the database was compared: that the log is an older copy, or was made \
                              anew, would not show; name some with --checkpoint"
                    .to_owned()
            }
        }
    }
}
