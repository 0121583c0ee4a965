//! Databases that the old service made: their adoption, its reversal, and the time in which both services work.

pub(crate) mod adopt;
mod coexistence;
mod logins;
mod repositories;
pub(crate) mod reversal;
mod secrets;
