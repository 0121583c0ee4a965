#![doc = include_str!("../README.md")]

mod action;
mod actor;
mod event;
mod origin;

pub use action::Action;
pub use actor::Actor;
pub use event::Event;
pub use origin::Origin;
