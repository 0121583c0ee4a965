//! The names of metrics, by OpenTelemetry's conventions where they exist.

use metrics::{Unit, describe_counter, describe_histogram};

/// The duration of statements; failed ones have `error.type`.
pub(crate) const OPERATION_DURATION: &str = "db.client.operation.duration";
/// The wait of units for a connection.
pub(crate) const CONNECTION_WAIT: &str = "db.client.connection.wait_time";
/// Units that got no connection in time.
pub(crate) const CONNECTION_TIMEOUTS: &str = "db.client.connection.timeouts";
/// Units that ended, by outcome.
pub(crate) const UNITS: &str = "rylie.units";

/// Registers units and descriptions with the recorder, once per pool.
pub(crate) fn describe() {
    describe_histogram!(OPERATION_DURATION, Unit::Seconds, "Duration of statements");
    describe_histogram!(CONNECTION_WAIT, Unit::Seconds, "Time that units waited for a connection");
    describe_counter!(CONNECTION_TIMEOUTS, Unit::Count, "Units that got no connection in time");
    describe_counter!(UNITS, Unit::Count, "Units that ended: committed, rolled_back, or commit_failed");
}
