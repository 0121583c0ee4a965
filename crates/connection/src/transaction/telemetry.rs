//! Traces and metrics of units and statements, by OpenTelemetry's conventions for databases. They contain the database,
//! the kind of statement, its table, its duration and its error, never its text or a value.

use std::borrow::Cow;
use std::time::Instant;

use metrics::Label;
use rylie_driver::code_of;
use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr};
use tracing::{Span, field};

use super::statement::{collection, operation};
use crate::endpoint::{Endpoint, label};
use crate::measures::OPERATION_DURATION;
use crate::unit_costs::UnitMeter;

/// Creates the span of a unit, which ends with the unit and contains the spans of its statements.
pub(super) fn unit(endpoint: &Endpoint) -> Span {
    tracing::debug_span!(
        "rylie.unit",
        "otel.kind" = "internal",
        "db.system.name" = endpoint.system,
        "db.namespace" = &*endpoint.namespace,
        "rylie.server" = field::Empty,
    )
}

/// A running statement.
pub(super) struct Telemetry {
    labels: Vec<Label>,
    began: Instant,
    pub(super) span: Span,
    /// The number of the statement in the meter of its unit.
    number: Option<usize>,
}

impl Telemetry {
    /// Starts the span. `table` is the table, if it is known without parsing the statement.
    pub(super) fn begin(
        unit: &Span,
        endpoint: &Endpoint,
        sql: &str,
        table: Option<&str>,
        meter: Option<&UnitMeter>,
    ) -> Self {
        let (operation, collection) = (operation(sql), table.or_else(|| collection(sql)));
        let span = tracing::debug_span!(
            parent: unit,
            "db.client.operation",
            "otel.kind" = "client",
            "otel.name" = %format_args!("{operation} {}", collection.unwrap_or(&endpoint.namespace)),
            "otel.status_code" = field::Empty,
            "db.system.name" = endpoint.system,
            "db.namespace" = &*endpoint.namespace,
            "db.operation.name" = operation,
            "db.collection.name" = collection,
            "db.response.status_code" = field::Empty,
            "server.address" = endpoint.address.as_deref(),
            "server.port" = endpoint.port,
            "error.type" = field::Empty,
        );
        let mut labels = endpoint.labels();
        labels.push(Label::from_static_parts("db.operation.name", operation));
        labels.extend(collection.map(|collection| label("db.collection.name", collection.to_owned())));
        let name = || format!("{operation} {}", collection.unwrap_or("several tables"));
        let number = meter.and_then(|meter| meter.began(sql, name));
        Self { labels, began: Instant::now(), span, number }
    }

    /// Records the duration, in seconds, the rows, and the error, if any.
    pub(super) fn end<T: Rows>(mut self, done: &Result<T, DbErr>, meter: Option<&UnitMeter>) {
        let took = self.began.elapsed();
        if let Some(meter) = meter {
            meter.ended(self.number, done.as_ref().map_or(0, Rows::rows), took);
        }
        if let Err(error) = done {
            let code = code(error);
            let kind = code.as_deref().unwrap_or("_OTHER");
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", kind);
            self.labels.push(label("error.type", kind.to_owned()));
            if let Some(code) = code {
                self.span.record("db.response.status_code", code.as_str());
                self.labels.push(label("db.response.status_code", code));
            }
        }
        metrics::histogram!(OPERATION_DURATION, self.labels).record(took);
    }
}

/// The rows that a statement returned or changed.
pub(super) trait Rows {
    fn rows(&self) -> u64;
}

impl Rows for u64 {
    fn rows(&self) -> u64 {
        *self
    }
}

impl Rows for ExecResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl Rows for Option<QueryResult> {
    fn rows(&self) -> u64 {
        u64::from(self.is_some())
    }
}

impl Rows for Vec<QueryResult> {
    fn rows(&self) -> u64 {
        self.len() as u64
    }
}

/// Returns the database's error code, which contains no value.
fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return None;
    };
    code_of(error).map(Cow::into_owned)
}
