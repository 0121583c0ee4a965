#![doc = include_str!("../README.md")]

mod allow;
mod context;
mod depth;
mod dynamic;
mod finding;
mod lint;
mod locks;
mod plan;
mod project;
mod rules;
mod script;
mod tree;

pub use finding::Finding;
pub use lint::lint;
pub use locks::{Blocks, Effect, LockMode, Locked, effect};
pub use plan::{Planned, plan};
pub use project::scripts_of_migrations;
pub use rules::{NOT_RULES, Rule, rules};
pub use script::Script;
