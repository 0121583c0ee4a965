//! A grant names who and why, and is checked.
use rylie_db::prelude::*;

fn forge(user: UserId) -> Grant {
    Grant { actor: Actor::User(user), reason: String::new(), origin: Origin::default() }
}

fn main() {}
