//! What a deploy would send, and what each statement does to those who use the database.

use rylie_migration::{Engine, Migrations, Result, Step, steps_sent};
use serde::Serialize;

use crate::depth;
use crate::locks::{self, Blocks, Locked};

/// One statement of a deploy to come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Planned {
    /// The migration it is of.
    pub migration: &'static str,
    /// Counted from one, within the migration.
    pub step: usize,
    /// As it is sent.
    pub sql: String,
    /// The strongest lock, as PostgreSQL's manual writes it, with `(assumed)` where the statement cannot be known before it runs;
    /// `none`; on SQLite always `database`: the file's write lock.
    pub lock: String,
    /// What is locked most strongly; `None` where nothing is, and on SQLite.
    pub table: Option<String>,
    /// Every lock on a table, index or view.
    pub locks: Vec<Locked>,
    /// Whether it writes every row, or an index, anew.
    pub rewrites: bool,
    /// Who has to wait; `None`: nobody.
    pub blocks: Option<Blocks>,
    /// Whether it is sent again and again, for some thousand rows each time.
    pub in_batches: bool,
    /// Whether the whole migration is one transaction, so that its locks are kept until its end.
    pub in_transaction: bool,
}

/// The statements of the pending migrations, in the order they would be sent. Reads only: it takes no right but that to log in and
/// see which migrations are applied.
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

/// `made`: the tables made so far by a migration, which nobody else uses yet.
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

/// One writer at a time, and readers beside it.
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
