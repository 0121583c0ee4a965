//! Extensions of users: their own tables, and their own code over the store.

use async_trait::async_trait;

use super::fixture::{Fixture, Side};
use super::log::{Log, Seen};
use crate::World;

/// Why a step of an extension failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Your tables or code on the platform's database, attacked together with it.
#[async_trait]
pub trait Extension: Send + Sync {
    /// Returns the name in the report.
    fn name(&self) -> &str;

    /// Inserts at least one row of this side into each of your tables, over your own connection to `World::url` or by
    /// your own code. Called once for each side, before the attacks by SQL. A tenant-owned table without a row of the
    /// victim cannot be attacked; the report says so.
    async fn plant(&self, fixture: &Fixture<'_>, side: &Side<'_>) -> Result<(), Failure> {
        let _ = (fixture, side);
        Ok(())
    }

    /// Uses your own code in the attacker's scope, `fixture.attacker.scope()`, to reach the victim's rows. Returns
    /// everything that it saw or did without permission: nothing if your code holds.
    async fn attack(&self, fixture: &Fixture<'_>) -> Result<Vec<String>, Failure> {
        let _ = fixture;
        Ok(Vec::new())
    }
}

pub(super) async fn plant(extensions: &[&dyn Extension], fixture: &Fixture<'_>, log: &mut Log) {
    for extension in extensions {
        for side in [&fixture.victim, &fixture.attacker] {
            if let Err(failure) = extension.plant(fixture, side).await {
                let seen = Seen::of(vec![format!("its rows could not be inserted: {}", super::log::chain(&*failure))]);
                log.note(format!("{}: its rows exist for the attacks", extension.name()), Ok(seen));
            }
        }
    }
}

pub(super) async fn attack(extensions: &[&dyn Extension], fixture: &Fixture<'_>, log: &mut Log) {
    for extension in extensions {
        let seen = extension.attack(fixture).await;
        let seen = seen.unwrap_or_else(|failure| vec![format!("it failed: {}", super::log::chain(&*failure))]);
        log.note(format!("{}: its own attack sees nothing", extension.name()), Ok(Seen::of(seen)));
    }
}

/// Records each own table that no extension attacks. A table without a row of the victim cannot be attacked.
pub(super) fn name_forgotten(extensions: &[&dyn Extension], world: &World, log: &mut Log) {
    for table in world.database().config().schema().tables() {
        if extensions.iter().all(|extension| extension.name() != table.name) {
            let seen = Seen::of(vec!["no `OwnRows` of the table is given to the suite".to_owned()]);
            log.note(format!("{}: its rows exist for the attacks", table.name), Ok(seen));
        }
    }
}
