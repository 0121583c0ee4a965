//! Statements and their plans.

mod plans;
mod statements;

use super::check::{CheckSpec, Look, Need, by_code};

pub(super) use plans::{plan_shapes, plans};

pub(super) static CHECKS: [CheckSpec; 8] = [
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
    by_code("queries.regressions", "A statement takes much longer than in the earlier run.", Look::PostgresCode)
        .limits(2.0, 10.0, "times the earlier mean")
        .fix("compare the plans of both runs; rylie maintain analyze", "none"),
    by_code("queries.changed-plans", "The plan of a library's list changed since the earlier run.", Look::PostgresCode)
        .warns()
        .fix("rylie maintain analyze; rylie drift shows a missing index", "none"),
];
