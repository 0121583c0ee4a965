//! The cached list of all columns of a table: rendering it dominates the client's time for a small read.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{DbBackend, EntityTrait, Iterable, QueryTrait};

/// By table and whether PostgreSQL. One entry per table and engine, kept while the process runs.
static TEXTS: LazyLock<RwLock<HashMap<(&'static str, bool), &'static str>>> = LazyLock::new(RwLock::default);

/// Adds all columns of the table, in the order of decoding.
pub(super) fn select_all<E: EntityTrait>(engine: DbBackend, select: &mut SelectStatement) -> &mut SelectStatement {
    select.expr(Expr::cust(all_columns::<E>(engine)))
}

pub(super) fn number_of_columns<E: EntityTrait>() -> usize {
    E::Column::iter().count()
}

/// Returns the columns as [`select_all`] adds them.
pub(super) fn all_columns<E: EntityTrait>(engine: DbBackend) -> &'static str {
    let table = E::default().table_name();
    let key = (table, engine == DbBackend::Postgres);
    if let Some(text) = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return text;
    }
    let mut select = E::find().into_query();
    let text = engine.build(select.from_clear()).sql.trim_start_matches("SELECT ").to_owned();
    let text = Box::leak(text.into_boxed_str());
    TEXTS.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(text)
}
