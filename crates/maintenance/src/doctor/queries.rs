//! Statements and their plans.

mod advice;
mod loops;
mod plans;
mod statements;

use super::check::{CheckSpec, Look, Need, by_code};

pub(super) use advice::advice;
pub use advice::advice_outcome;
pub use loops::loop_outcome;
pub(super) use plans::{plan_shapes, plans};

pub(super) static CHECKS: [CheckSpec; 10] = [
    statements::EXTENSION,
    statements::SLOW,
    statements::SHARE,
    statements::REPEATED,
    statements::EVICTED,
    by_code("queries.plans", "A list of the library reads a large table from end to end.", Look::PostgresCode)
        .limits(10_000.0, 1_000_000.0, "rows of the table")
        .needs(&[Need::Table("Request")])
        .fix(
            "rylie drift shows a missing index; rylie maintain analyze",
            "SHARE UPDATE EXCLUSIVE; readers and writers continue",
        ),
    by_code(
        "queries.loops",
        "Units of this process repeat a statement that reads one row, so a loop may read rows one by one.",
        Look::Code,
    )
    .limits(20.0, 500.0, "repetitions in a unit")
    .warns()
    .fix("use `Loader`, or a list (handbook, chapter 5, Batching)", "none"),
    by_code(
        "queries.missing-index",
        "Frequent statements compare columns of a large table that no index serves.",
        Look::PostgresCode,
    )
    .limits(10.0, 10_000.0, "times the cost with an index")
    .needs(&[Need::Extension("pg_stat_statements"), Need::Extension("hypopg"), Need::Statistics])
    .warns()
    .fix("add the index by a migration (`rylie migrate new NAME`)", "SHARE UPDATE EXCLUSIVE with CONCURRENTLY"),
    by_code("queries.regressions", "A statement takes much longer than in the earlier run.", Look::PostgresCode)
        .limits(2.0, 10.0, "times the earlier mean")
        .fix("compare the plans of both runs; rylie maintain analyze", "none"),
    by_code("queries.changed-plans", "The plan of a library's list changed since the earlier run.", Look::PostgresCode)
        .warns()
        .fix("rylie maintain analyze; rylie drift shows a missing index", "none"),
];
