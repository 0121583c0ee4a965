//! Databases of the old service: their adoption, its reversal, and the coexistence of both services.

pub(crate) mod adopt;
mod coexistence;
mod guide;
mod insert_only;
mod logins;
mod managed;
mod one_server;
mod preflight;
mod refused;
mod repositories;
pub(crate) mod reversal;
mod secrets;
mod triggers;
mod undo;
pub(crate) mod way_back;
