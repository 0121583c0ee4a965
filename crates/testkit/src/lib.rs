#![doc = include_str!("../README.md")]

pub mod attacks;
mod cluster;
mod env;
mod error;
pub mod own;
mod proxy;
mod sqlite;
mod world;

pub use cluster::{Cluster, Pooler, PostgresDatabase, Replica, Template};
pub use env::TestEnv;
pub use error::{Error, Result};
pub use proxy::{DelayProxy, Lost, OnCommit};
pub use sqlite::SqliteDatabase;
pub use world::{TestAgency, TestUser, UserBuilder, World};
