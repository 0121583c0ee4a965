//! The statements of the next deploy, with their locks and rewrites.

use rylie_migration::{Engine, Migrations, Result, Step, steps_sent};
use serde::Serialize;

use crate::depth;
use crate::locks::{self, Blocks, Locked};

/// One statement of the next deploy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Planned {
    /// The migration of the statement.
    pub migration: &'static str,
    /// The step in the migration, counted from one.
    pub step: usize,
    /// The SQL as sent.
    pub sql: String,
    /// The strongest lock, as PostgreSQL's manual writes it, or `none`. It ends in `(assumed)` if the statement is
    /// unknown until it runs. On SQLite it is always `database`, the file's write lock.
    pub lock: String,
    /// The relation with the strongest lock. `None` if there is no lock, and on SQLite.
    pub table: Option<String>,
    /// Every lock on a table, index or view.
    pub locks: Vec<Locked>,
    /// Whether it rewrites a table or an index.
    pub rewrites: bool,
    /// The operations that wait; `None` if none does.
    pub blocks: Option<Blocks>,
    /// Whether it is sent repeatedly, for some thousand rows each time.
    pub in_batches: bool,
    /// Whether the whole migration is one transaction, which keeps its locks until the end.
    pub in_transaction: bool,
}

/// Returns the statements of the pending migrations, in the order in which a deploy sends them.
///
/// It only reads. It needs no right other than to log in and to see which migrations are applied.
pub async fn plan(migrations: &mut Migrations) -> Result<Vec<Planned>> {
    let engine = migrations.engine();
    let mut planned = Vec::new();
    for migration in migrations.pending().await? {
        let in_transaction = migration.in_transaction(engine);
        let mut made = Vec::new();
        for (number, step) in steps_sent(migration, engine).iter().enumerate() {
            let mut one = match engine {
                Engine::Postgres => on_postgres(step, &mut made),
                Engine::Sqlite => on_sqlite(step),
            };
            (one.migration, one.step, one.in_transaction) = (migration.name(), number + 1, in_transaction);
            planned.push(one);
        }
    }
    Ok(planned)
}

/// `made`: the tables that the migration has created so far. No other session uses them yet.
fn on_postgres(step: &Step, made: &mut Vec<String>) -> Planned {
    let (effect, tables) = depth::with_room(|| locks::effect_and_tables(step.statement()));
    made.extend(tables);
    let strongest = effect.strongest();
    let (lock, blocks) = match strongest {
        _ if effect.unknown => ("ACCESS EXCLUSIVE (assumed)".to_owned(), Some(Blocks::ReadsAndWrites)),
        Some(Locked { mode, .. }) => {
            let used = effect.locks.iter().filter(|locked| !made.contains(&locked.relation));
            (mode.name().to_owned(), used.filter_map(|locked| locked.mode.blocks()).max())
        }
        None => ("none".to_owned(), None),
    };
    Planned {
        lock,
        blocks,
        table: strongest.map(|locked| locked.relation.clone()),
        rewrites: effect.rewrites,
        locks: effect.locks,
        ..nothing(step)
    }
}

/// SQLite has one writer at a time; readers continue.
fn on_sqlite(step: &Step) -> Planned {
    Planned { lock: "database".to_owned(), blocks: Some(Blocks::Writes), ..nothing(step) }
}

fn nothing(step: &Step) -> Planned {
    Planned {
        migration: "",
        step: 0,
        sql: step.statement().to_owned(),
        lock: String::new(),
        table: None,
        locks: Vec::new(),
        rewrites: false,
        blocks: None,
        in_batches: matches!(step, Step::Batches(_)),
        in_transaction: false,
    }
}
