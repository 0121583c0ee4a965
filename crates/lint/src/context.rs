//! What a rule sees.

use crate::script::{Part, Reading};

/// What a rule looks at.
pub(crate) struct Context<'a> {
    /// The script at hand.
    pub(crate) script: &'a Reading,
    /// Everything that is linted together, in order: what a table lacks here another script may add.
    pub(crate) all: &'a [Reading],
}

impl Context<'_> {
    pub(crate) fn everything(&self) -> impl Iterator<Item = &Part> {
        self.all.iter().flat_map(|reading| &reading.parts)
    }
}
