//! A grant is created by a checked constructor, not from a literal.
use rylie_db::prelude::*;

fn forge(user: UserId) -> Grant {
    Grant { actor: Actor::User(user), reason: String::new(), origin: Origin::default() }
}

fn main() {}
