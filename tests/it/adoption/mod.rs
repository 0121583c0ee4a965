//! Databases of the old service: their adoption, its reversal, and the coexistence of both services.

pub(crate) mod adopt;
mod coexistence;
mod logins;
mod repositories;
pub(crate) mod reversal;
mod secrets;
pub(crate) mod way_back;
