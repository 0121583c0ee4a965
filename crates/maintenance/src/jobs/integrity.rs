//! `integrity`: checks a SQLite file for damage.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::check_integrity;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job::{Job, JobContext};

/// Checks a SQLite file, every Sunday night. Damage makes the job fail, so that status reports it.
#[derive(Clone, Debug)]
pub struct CheckIntegrity(
    /// The database.
    pub Engine,
);

#[async_trait]
impl Job for CheckIntegrity {
    fn name(&self) -> &'static str {
        "integrity"
    }

    fn cron(&self) -> &'static str {
        "41 3 * * 0"
    }

    async fn run(&self, _context: &JobContext) -> Result<Value> {
        match check_integrity(&self.0).await?.damage.into_iter().next() {
            None => Ok(json!({ "ok": true })),
            Some(first) => Err(Error::Damaged { first }),
        }
    }
}
