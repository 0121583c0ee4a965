//! Tables and indexes.

mod growth;
mod indexes;
mod integrity;
mod limits;
mod vacuum;

use super::check::CheckSpec;

pub(super) static CHECKS: [CheckSpec; 21] = [
    indexes::INVALID,
    indexes::DUPLICATE,
    indexes::UNUSED,
    indexes::FOREIGN_KEYS,
    indexes::SEQUENTIAL,
    integrity::PRIMARY_KEY,
    integrity::NOT_VALIDATED,
    integrity::DISABLED_TRIGGER,
    integrity::UNLOGGED,
    vacuum::DEAD_ROWS,
    vacuum::AUTOVACUUM_OFF,
    vacuum::NEVER_ANALYZED,
    vacuum::STALE_STATISTICS,
    vacuum::BLOAT,
    limits::WRAPAROUND,
    limits::MULTIXACT,
    limits::SEQUENCES,
    growth::CACHE_HITS,
    growth::GROWTH,
    growth::DISK,
    growth::EXTENSION,
];
