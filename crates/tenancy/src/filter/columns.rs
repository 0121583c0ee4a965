//! The cached list of all columns of a table: rendering it dominates the client's time for a small read.

use std::sync::Arc;

use rylie_entities::Decoded;
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{DbBackend, EntityTrait, Iterable, QueryTrait};

use super::texts::Texts;

/// By table and whether PostgreSQL. One entry per table and engine, kept while the process runs.
static TEXTS: Texts<(&'static str, bool)> = Texts::new();

/// Adds all columns of the table, in the order of decoding.
pub(super) fn select_all<E: Decoded>(engine: DbBackend, select: &mut SelectStatement) -> &mut SelectStatement {
    select.expr(Expr::cust(all_columns::<E>(engine).to_string()))
}

pub(super) fn number_of_columns<E: EntityTrait>() -> usize {
    E::Column::iter().count()
}

/// Returns the columns as [`select_all`] adds them.
pub(super) fn all_columns<E: Decoded>(engine: DbBackend) -> Arc<str> {
    let table = E::default().table_name();
    let key = (table, engine == DbBackend::Postgres);
    TEXTS.get(&key).unwrap_or_else(|| {
        if let Some(selected) = E::selected(engine) {
            return TEXTS.keep(key, &selected);
        }
        let mut select = E::find().into_query();
        TEXTS.keep(key, engine.build(select.from_clear()).sql.trim_start_matches("SELECT "))
    })
}
