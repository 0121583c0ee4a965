//! Attacks on the walls between tenants, to be run against our own database and against one that you extended.
//!
//! ```no_run
//! # async fn example() -> rylie_testkit::Result<()> {
//! use rylie_testkit::{World, attacks::Attacks};
//!
//! let world = World::postgres().await?;
//! // … your own tables, views and functions, over a connection to `world.url()` …
//! Attacks::on(&world).run().await?.assert_held();
//! # Ok(())
//! # }
//! ```
//!
//! Each wall is attacked alone, too: SQL in the tenant's role knows nothing of the fence, and the attacks through the
//! doors run once more with every policy of the database switched off.

mod catalog;
mod crowd;
mod extension;
mod log;
mod raw;
mod report;
mod seed;
mod sql;
mod stage;
mod store;

pub use extension::{Extension, Failure};
pub use report::{Attack, Outcome, Report, Walls};
pub use stage::{Side, Stage};

use crate::{Result, World};
use log::Log;
use raw::Raw;

/// A run of the suite, to be set up and started.
///
/// It makes agencies, users and rows in the world's database, and switches policies off and on again: give it a
/// [`World`] of its own.
#[must_use = "nothing is attacked before `run`"]
pub struct Attacks<'a> {
    world: &'a World,
    extensions: Vec<&'a dyn Extension>,
    trusted: Vec<String>,
    seed: u64,
}

impl<'a> Attacks<'a> {
    /// All attacks, on this world.
    pub fn on(world: &'a World) -> Self {
        Self { world, extensions: Vec::new(), trusted: Vec::new(), seed: seed::given_or_random() }
    }

    /// Attacks an extension of yours as well: see [`Extension`].
    pub fn with(mut self, extension: &'a dyn Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Takes a table of no tenant, a view, a sequence or a function by its name to be as it is on purpose: you have looked at
    /// it. What it shows is attacked all the same.
    pub fn trusting(mut self, name: &str) -> Self {
        self.trusted.push(name.to_owned());
        self
    }

    /// The seed of what is left to chance. Without it `RYLIE_ATTACK_SEED` is taken, else a new one; the report shows it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Everything. On SQLite: through the doors, where the fence is the only wall. On PostgreSQL: through the doors
    /// behind both walls, by SQL against row-level security alone, and through the doors against the fence alone.
    pub async fn run(self) -> Result<Report> {
        let mut report = self.through_the_doors().await?;
        if self.world.is_postgres() {
            report.append(self.by_sql().await?);
            report.append(Box::pin(self.without_policies(self.through_the_doors_behind(Walls::Fence))).await?);
        }
        Ok(report)
    }

    /// Only attacks through the tenants' door that read, each on a unit that a replica serves: behind both walls, and
    /// against the fence alone. The world must have a replica ([`World::postgres_with_replica`]).
    pub async fn through_replicas(&self) -> Result<Report> {
        let mut report = self.through_replicas_behind(Walls::Both).await?;
        report.append(Box::pin(self.without_policies(self.through_replicas_behind(Walls::Fence))).await?);
        Ok(report)
    }

    /// Only the attacks through the doors, behind the walls that stand.
    pub async fn through_the_doors(&self) -> Result<Report> {
        let walls = if self.world.is_postgres() { Walls::Both } else { Walls::Fence };
        self.through_the_doors_behind(walls).await
    }

    async fn through_the_doors_behind(&self, walls: Walls) -> Result<Report> {
        let stage = Box::pin(Stage::set(self.world)).await?;
        let mut log = Log::new(walls, self.seed);
        Box::pin(store::attack(&stage, &mut log)).await?;
        Box::pin(crowd::attack(&stage, &mut log, self.seed)).await;
        extension::attack(&self.extensions, &stage, &mut log).await;
        Ok(log.report())
    }

    async fn through_replicas_behind(&self, walls: Walls) -> Result<Report> {
        let stage = Box::pin(Stage::set_on_replicas(self.world)).await?;
        let mut log = Log::new(walls, self.seed);
        Box::pin(store::attack_reads(&stage, &mut log)).await;
        Ok(log.report())
    }

    async fn without_policies(&self, attacked: impl Future<Output = Result<Report>>) -> Result<Report> {
        let mut raw = Raw::connect(self.world.url()).await?;
        let walled = catalog::walled(&mut raw).await?;
        catalog::switch_policies_off(&mut raw, &walled).await?;
        let report = attacked.await;
        catalog::switch_policies_on(&mut raw, &walled).await?;
        report
    }

    /// Only the attacks by SQL in the tenant's role, on every table, view, sequence and function that the catalog names.
    /// PostgreSQL: on SQLite the report is empty.
    pub async fn by_sql(&self) -> Result<Report> {
        let mut log = Log::new(Walls::RowLevelSecurity, self.seed);
        if self.world.is_postgres() {
            let stage = Box::pin(Stage::set(self.world)).await?;
            extension::plant(&self.extensions, &stage, &mut log).await;
            Box::pin(sql::attack(&stage, &self.trusted, &mut log)).await?;
        }
        Ok(log.report())
    }
}
