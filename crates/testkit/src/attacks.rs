//! Attacks on tenant isolation. They run against the plain database and against one that you extended.
//!
//! ```no_run
//! # async fn example() -> rylie_testkit::Result<()> {
//! use rylie_testkit::{World, attacks::Attacks};
//!
//! let world = World::postgres().await?;
//! // … your own tables, views and functions, created over a connection to `world.url()` …
//! Attacks::on(&world).run().await?.assert_held();
//! # Ok(())
//! # }
//! ```
//!
//! Each isolation layer is also attacked alone. SQL in the tenant role bypasses the tenant filter, and the attacks
//! through units run again with every policy of the database disabled.

mod catalog;
mod concurrency;
mod extension;
mod fixture;
mod log;
mod raw;
mod report;
mod seed;
mod sql;
mod store;

pub use extension::{Extension, Failure};
pub use fixture::{Fixture, Side};
pub use report::{Attack, Layers, Outcome, Report};

use crate::{Result, World};
use log::Log;
use raw::Raw;

/// A configured run of the attack suite.
///
/// A run inserts agencies, users and rows into the world's database, and disables and enables policies. Give it a
/// separate [`World`].
#[must_use = "the attacks start with `run`"]
pub struct Attacks<'a> {
    world: &'a World,
    extensions: Vec<&'a dyn Extension>,
    trusted: Vec<String>,
    seed: u64,
}

impl<'a> Attacks<'a> {
    /// Returns a run of all attacks on this world.
    pub fn on(world: &'a World) -> Self {
        Self { world, extensions: Vec::new(), trusted: Vec::new(), seed: seed::given_or_random() }
    }

    /// Adds the attacks of an [`Extension`].
    pub fn with(mut self, extension: &'a dyn Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Declares a table without a tenant, a view, a sequence or a function as intended, by its name. The rows that it
    /// shows are attacked nevertheless.
    pub fn trusting(mut self, name: &str) -> Self {
        self.trusted.push(name.to_owned());
        self
    }

    /// Sets the seed of the random choices. The default is `RYLIE_ATTACK_SEED`, or else a new seed; the report shows
    /// it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs all attacks.
    ///
    /// On SQLite: through units; the tenant filter is the only layer. On PostgreSQL: through units against both layers,
    /// by SQL against row-level security alone, and through units against the tenant filter alone.
    pub async fn run(self) -> Result<Report> {
        let mut report = self.through_units().await?;
        if self.world.is_postgres() {
            report.append(self.by_sql().await?);
            report.append(Box::pin(self.without_policies(self.through_units_behind(Layers::TenantFilter))).await?);
        }
        Ok(report)
    }

    /// Runs only the reading attacks through tenant units, each on a unit that a replica serves: against both layers,
    /// and against the tenant filter alone. The world needs a replica ([`World::postgres_with_replica`]).
    pub async fn through_replicas(&self) -> Result<Report> {
        let mut report = self.through_replicas_behind(Layers::Both).await?;
        report.append(Box::pin(self.without_policies(self.through_replicas_behind(Layers::TenantFilter))).await?);
        Ok(report)
    }

    /// Runs only the attacks through units, against the layers that the engine has.
    pub async fn through_units(&self) -> Result<Report> {
        let layers = if self.world.is_postgres() { Layers::Both } else { Layers::TenantFilter };
        self.through_units_behind(layers).await
    }

    async fn through_units_behind(&self, layers: Layers) -> Result<Report> {
        let fixture = Box::pin(Fixture::set(self.world)).await?;
        let mut log = Log::new(layers, self.seed);
        Box::pin(store::attack(&fixture, &mut log)).await?;
        Box::pin(concurrency::attack(&fixture, &mut log, self.seed)).await;
        extension::attack(&self.extensions, &fixture, &mut log).await;
        extension::name_forgotten(&self.extensions, self.world, &mut log);
        Ok(log.report())
    }

    async fn through_replicas_behind(&self, layers: Layers) -> Result<Report> {
        let fixture = Box::pin(Fixture::set_on_replicas(self.world)).await?;
        let mut log = Log::new(layers, self.seed);
        Box::pin(store::attack_reads(&fixture, &mut log)).await;
        Ok(log.report())
    }

    async fn without_policies(&self, attacked: impl Future<Output = Result<Report>>) -> Result<Report> {
        let mut raw = Raw::connect(self.world.url()).await?;
        let protected = catalog::protected(&mut raw).await?;
        catalog::switch_policies_off(&mut raw, &protected).await?;
        let report = attacked.await;
        catalog::switch_policies_on(&mut raw, &protected).await?;
        report
    }

    /// Runs only the attacks by SQL in the tenant role, on every table, view, sequence and function in the catalog.
    /// Needs PostgreSQL; the report is empty on SQLite.
    pub async fn by_sql(&self) -> Result<Report> {
        let mut log = Log::new(Layers::RowLevelSecurity, self.seed);
        if self.world.is_postgres() {
            let fixture = Box::pin(Fixture::set(self.world)).await?;
            extension::plant(&self.extensions, &fixture, &mut log).await;
            Box::pin(sql::attack(&fixture, &self.trusted, &mut log)).await?;
        }
        Ok(log.report())
    }
}
