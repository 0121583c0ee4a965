//! Room beside each user for its next version.
//!
//! Counters change with every use and all users with every closing of a period, and no index holds what changes. Where a page has
//! room, the new version stays on it and no index is written (heap-only tuples); where it has none, all eight are. The table grows no
//! larger: what does not find room leaves a hole behind. Pages that are full already get their room as their rows move.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct LeaveRoomInUsers;

impl Migration for LeaveRoomInUsers {
    fn name(&self) -> &'static str {
        "m20261125_000023_leave_room_in_users"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql("ALTER TABLE \"User\" SET (fillfactor = 70)")],
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql("ALTER TABLE \"User\" RESET (fillfactor)")],
            Engine::Sqlite => Vec::new(),
        }
    }
}
