//! The state of the database, the published checkpoints and the witnesses.

use std::collections::BTreeSet;

/// Which part of the system is explored. Both parts at once would have too many states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scenario {
    /// Writers, two sealers, retention, erasure, and an attacker on the rows.
    Database,
    /// A sealer, two witnesses, and an attacker who puts back a copy or rebuilds the log.
    Witnesses,
}

impl Scenario {
    /// Returns the largest number of records and of batches.
    pub fn bounds(self) -> (u8, usize) {
        match self {
            Self::Database => (3, 4),
            Self::Witnesses => (2, 3),
        }
    }
}

/// Which rules the system follows. All `false` is the real one; each other value is a mutant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    pub seals_positions: bool,
    pub no_lock: bool,
    pub blind_sealer: bool,
    pub removes_undeclared: bool,
    pub erases_silently: bool,
    pub signs_first: bool,
    pub forgets: bool,
    pub ignores_witnesses: bool,
}

/// A record of the log. An erasure names the record that it emptied.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Record {
    Plain(u8),
    Erasure(u8),
}

/// The statement of a checkpoint about its batch.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Sealed {
    pub records: BTreeSet<Record>,
    /// Random, so that no two batches are equal.
    pub salt: u8,
    /// How many of the first batches may be removed.
    pub declared: usize,
    /// Whether the attacker wrote it.
    pub forged: bool,
}

/// A checkpoint with its predecessors: its hash covers them all, so it is the chain that leads to it.
pub type Chain = Vec<Sealed>;

/// A witness. `seen` and `signed` are its files.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Witness {
    /// Its state; `None` before the first run and after a loss.
    pub seen: Option<Chain>,
    /// Its statements, which are published and not lost.
    pub signed: Vec<Chain>,
    /// The chain that it is about to sign, or to store in the mutant that signs first.
    pub next: Option<Chain>,
    pub lost: bool,
}

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct State {
    /// Records with a position whose transaction is open.
    pub open: BTreeSet<u8>,
    pub positions: u8,
    /// Every record that was committed: what must not be lost.
    pub committed: BTreeSet<Record>,
    /// The rows of the log in the database.
    pub stored: BTreeSet<Record>,
    pub pending: BTreeSet<Record>,
    pub emptied: BTreeSet<Record>,
    /// The batches of the database.
    pub log: Chain,
    /// The next salt. A copy that is put back does not repeat one.
    pub salt: u8,
    /// How many of the first batches have lost their records.
    pub removed: usize,
    /// The records that each sealer has read and not yet stored.
    pub sealing: [Option<BTreeSet<Record>>; 2],
    pub published: Chain,
    pub witnesses: [Witness; 2],
    /// An older copy of the database, to be put back.
    pub copy: Option<Box<Copy>>,
    pub crashed: bool,
    /// A sealer has sealed a batch whose number was published with other contents.
    pub forked: bool,
    /// The attacker has acted: the first batch that differs from the honest log, if it is in the log.
    pub attack: Option<Attack>,
    /// How many batches a witness had signed then.
    pub witnessed: usize,
}

/// The part of the database that a copy has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Copy {
    pub stored: BTreeSet<Record>,
    pub pending: BTreeSet<Record>,
    pub emptied: BTreeSet<Record>,
    pub log: Chain,
    pub removed: usize,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Attack {
    /// The log is an older one, or differs from this batch on.
    FromBatch(usize),
    /// Rows were removed or emptied, and the checkpoints left.
    Rows,
}
