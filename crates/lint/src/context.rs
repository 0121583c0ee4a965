//! The input of a rule.

use crate::script::{Part, Reading};

/// The scripts that a rule examines.
pub(crate) struct Context<'a> {
    /// The script of the part that is checked.
    pub(crate) script: &'a Reading,
    /// All scripts that are checked together, in order: another script may add what a table lacks here.
    pub(crate) all: &'a [Reading],
}

impl Context<'_> {
    pub(crate) fn everything(&self) -> impl Iterator<Item = &Part> {
        self.all.iter().flat_map(|reading| &reading.parts)
    }
}
