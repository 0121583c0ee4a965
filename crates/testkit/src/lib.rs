//! Throw-away databases and builders for tests: ours and our users'.
//!
//! - [`Cluster`]: a private PostgreSQL server, started from the installed binaries and gone with the test process.
//! - [`PostgresDatabase`] and [`SqliteDatabase`]: a database of a test's own, gone when the value is dropped.
//! - [`World`]: a migrated database on either engine, with builders for agencies, signed-in users and requests.
//! - [`TestEnv`]: a clock that a test moves, and ids that it knows.
//! - [`DelayProxy`]: a slow or broken network between a client and its server.
//!
//! ```no_run
//! # async fn example() -> Result<(), rylie_testkit::Error> {
//! use rylie_testkit::{Cluster, SqliteDatabase};
//!
//! let cluster = Cluster::shared().await?;
//! let template = cluster.template("migrated", async |url| migrate(&url).await).await?;
//! let postgres = cluster.clone_of(&template).await?;
//! let sqlite = SqliteDatabase::new()?;
//! println!("{} {}", postgres.url(), sqlite.url());
//! # Ok(())
//! # }
//! # async fn migrate(url: &str) -> Result<(), std::io::Error> { Ok(()) }
//! ```

pub mod attacks;
mod cluster;
mod env;
mod error;
mod proxy;
mod sqlite;
mod world;

pub use cluster::{Cluster, PostgresDatabase, Template};
pub use env::TestEnv;
pub use error::{Error, Result};
pub use proxy::DelayProxy;
pub use sqlite::SqliteDatabase;
pub use world::{TestAgency, TestUser, UserBuilder, World};
