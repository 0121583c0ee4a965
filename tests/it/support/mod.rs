//! Helpers of several tests.

pub(crate) mod audit;
pub(crate) mod interrupted;
pub(crate) mod logins;
pub(crate) mod loopback;
pub(crate) mod made;
pub(crate) mod old_service;
pub(crate) mod picture;
pub(crate) mod raw;
pub(crate) mod rows;
pub(crate) mod secrets;
pub(crate) mod seed;
pub(crate) mod sql;
pub(crate) mod tamper;
pub(crate) mod telemetry;
pub(crate) mod tenant_rows;
