//! What traces and metrics are told of units and statements, by OpenTelemetry's conventions for databases: the engine,
//! the kind of statement, how long it took and whether it failed. Never its text or a value.

use std::time::Instant;

use sea_orm::{DbBackend, DbErr, RuntimeErr};
use tracing::{Span, field};

/// The span of a unit; it closes with the unit. Those of its statements are within.
pub(super) fn unit(engine: DbBackend) -> Span {
    let system = system(engine);
    tracing::debug_span!("db.unit", "otel.kind" = "client", "db.system.name" = system, "rylie.server" = field::Empty)
}

/// A statement under way.
pub(super) struct Observed {
    system: &'static str,
    operation: &'static str,
    began: Instant,
    pub(super) span: Span,
}

impl Observed {
    pub(super) fn begin(unit: &Span, engine: DbBackend, sql: &str) -> Self {
        let (system, operation) = (system(engine), operation(sql));
        let span = tracing::debug_span!(
            parent: unit,
            "db.statement",
            "otel.kind" = "client",
            "otel.name" = operation,
            "db.system.name" = system,
            "db.operation.name" = operation,
            "error.type" = field::Empty,
        );
        Self { system, operation, began: Instant::now(), span }
    }

    /// Tells how long it took, in seconds, and whether it failed.
    pub(super) fn end<T>(self, done: &Result<T, DbErr>) {
        let took = self.began.elapsed();
        let labels = [("db.system.name", self.system), ("db.operation.name", self.operation)];
        match done {
            Ok(_) => metrics::histogram!("db.client.operation.duration", &labels).record(took),
            Err(error) => {
                let code = code(error);
                self.span.record("error.type", code.as_str());
                let labels =
                    [labels.map(|(name, value)| (name, value.to_owned())).to_vec(), vec![("error.type", code)]];
                metrics::histogram!("db.client.operation.duration", &labels.concat()).record(took);
            }
        }
    }
}

/// The database's code for the error, which tells no value.
fn code(error: &DbErr) -> String {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return "_OTHER".to_owned();
    };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.map_or_else(|| "_OTHER".to_owned(), std::borrow::Cow::into_owned)
}

fn system(engine: DbBackend) -> &'static str {
    if engine == DbBackend::Postgres { "postgresql" } else { "sqlite" }
}

fn operation(sql: &str) -> &'static str {
    let word = sql.split_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].into_iter().find(|known| *known == word).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::operation;

    #[test]
    fn a_statement_is_told_by_its_kind_alone() {
        assert_eq!(operation("SELECT 'canary'"), "SELECT");
        assert_eq!(operation("WITH a AS (SELECT 1) SELECT 1"), "WITH");
        assert_eq!(operation("canary"), "OTHER");
        assert_eq!(operation(""), "OTHER");
    }
}
