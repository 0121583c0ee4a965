//! A fill factor that reserves space for a user's next row version.
//!
//! Every use changes a counter, and every closing of a period changes all users. No index contains the changed columns.
//! If the page has space, the new version stays on it and no index is written (heap-only tuples); otherwise all eight
//! are. The table does not grow larger, because a version that moves leaves its space free. Full pages get free space
//! as their rows move.

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
