//! The results of the attacks.

use std::fmt;

/// The isolation layers that are active during an attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layers {
    /// The tenant filter of the repositories, and row-level security.
    Both,
    /// The tenant filter alone: SQLite, or PostgreSQL with its policies disabled.
    TenantFilter,
    /// Row-level security alone: SQL without a tenant condition.
    RowLevelSecurity,
}

/// Whether the isolation layers held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// They held.
    Held,
    /// They did not, or the attack could not be carried out.
    Broke {
        /// The violations, one for each line.
        seen: Vec<String>,
    },
}

/// One attack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attack {
    /// The attack's name: the sentence that holds if the layers do.
    pub name: String,
    /// The active isolation layers.
    pub layers: Layers,
    /// The result.
    pub outcome: Outcome,
}

/// The results of a run. `Display` prints each breach with its violations, and the number of attacks that were held
/// off.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a report may contain breaches: call `assert_held`"]
pub struct Report {
    seed: u64,
    attacks: Vec<Attack>,
}

impl Report {
    pub(super) fn new(seed: u64, attacks: Vec<Attack>) -> Self {
        Self { seed, attacks }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.attacks.extend(other.attacks);
    }

    /// Returns every attack, in the order of the run.
    #[must_use]
    pub fn attacks(&self) -> &[Attack] {
        &self.attacks
    }

    /// Returns the attacks that were not held off.
    pub fn breaches(&self) -> impl Iterator<Item = &Attack> {
        self.attacks.iter().filter(|attack| attack.outcome != Outcome::Held)
    }

    /// Returns whether every attack was held off, and at least one ran.
    #[must_use]
    pub fn held(&self) -> bool {
        !self.attacks.is_empty() && self.breaches().next().is_none()
    }

    /// Asserts that every attack was held off.
    ///
    /// # Panics
    ///
    /// Panics with the report unless the run [`held`](Self::held).
    #[track_caller]
    pub fn assert_held(&self) {
        assert!(self.held(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let breaches: Vec<_> = self.breaches().collect();
        let held = self.attacks.len() - breaches.len();
        writeln!(f, "{held} of {} attacks were held off (RYLIE_ATTACK_SEED={})", self.attacks.len(), self.seed)?;
        for attack in breaches {
            writeln!(f, "BROKE [{}] {}", attack.layers, attack.name)?;
            if let Outcome::Broke { seen } = &attack.outcome {
                for line in seen {
                    writeln!(f, "    {line}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "both isolation layers",
            Self::TenantFilter => "the tenant filter alone",
            Self::RowLevelSecurity => "row-level security alone",
        })
    }
}
