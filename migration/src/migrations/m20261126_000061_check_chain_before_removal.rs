//! Lets a removal check the chain of checkpoints from the first removed batch to the newest, and remove several batches
//! by one call, so that the chain is read once. PostgreSQL only: on SQLite the library checks it.

use super::m20261126_000030_create_sealer::FUNCTIONS as BEFORE;
use crate::migrations::Migration;
use crate::step::{Engine, Step, statements};

const FUNCTION: &str = include_str!("m20261126_000061_check_chain_before_removal/function.sql");

pub(crate) struct CheckChainBeforeRemoval;

impl Migration for CheckChainBeforeRemoval {
    fn name(&self) -> &'static str {
        "m20261126_000061_check_chain_before_removal"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => statements(FUNCTION),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => statements(BEFORE),
            Engine::Sqlite => Vec::new(),
        }
    }

    // An earlier migration builds this function as well, and is sent again where roles were missing. This one must follow.
    fn builds_row_security(&self) -> bool {
        true
    }
}
