//! What our users add: tables of their own, and code of their own over the store.

use async_trait::async_trait;

use super::log::{Log, Seen};
use super::stage::{Side, Stage};

/// Why a step of an extension failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Something of yours that stands on the platform's database, to be attacked together with it.
#[async_trait]
pub trait Extension: Send + Sync {
    /// What the report calls it.
    fn name(&self) -> &str;

    /// Puts at least one row of this side into each table of yours, over a connection of your own to `World::url` or by
    /// your own code. Called once a side, before the attacks by SQL: a table of a tenant that holds no row of the victim's
    /// cannot be attacked, and the report says so.
    async fn plant(&self, stage: &Stage<'_>, side: &Side<'_>) -> Result<(), Failure> {
        let _ = (stage, side);
        Ok(())
    }

    /// Works through your own code in the attacker's scope, `stage.attacker.scope()`, and goes for the victim's rows. Returns
    /// what it saw, or did, that it should not have: nothing if your code holds.
    async fn attack(&self, stage: &Stage<'_>) -> Result<Vec<String>, Failure> {
        let _ = stage;
        Ok(Vec::new())
    }
}

pub(super) async fn plant(extensions: &[&dyn Extension], stage: &Stage<'_>, log: &mut Log) {
    for extension in extensions {
        for side in [&stage.victim, &stage.attacker] {
            if let Err(failure) = extension.plant(stage, side).await {
                let seen = Seen::of(vec![format!("its rows could not be made: {}", super::log::chain(&*failure))]);
                log.note(format!("{}: its rows are there to be attacked", extension.name()), Ok(seen));
            }
        }
    }
}

pub(super) async fn attack(extensions: &[&dyn Extension], stage: &Stage<'_>, log: &mut Log) {
    for extension in extensions {
        let seen = extension.attack(stage).await;
        let seen = seen.unwrap_or_else(|failure| vec![format!("it failed: {}", super::log::chain(&*failure))]);
        log.note(format!("{}: its own attack sees nothing", extension.name()), Ok(Seen::of(seen)));
    }
}
