//! What came of the attacks.

use std::fmt;

/// What stands between attacker and victim during an attack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Walls {
    /// The fence of the repositories, and row-level security.
    Both,
    /// The fence alone: SQLite, or PostgreSQL with its policies off.
    Fence,
    /// Row-level security alone: SQL that says nothing of tenants.
    RowLevelSecurity,
}

/// Whether the wall held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It held.
    Held,
    /// It did not, or the attack could not be carried out: this was seen, a line each.
    Broke {
        /// What was seen.
        seen: Vec<String>,
    },
}

/// One attack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attack {
    /// What was tried, as the sentence that holds if the wall does.
    pub name: String,
    /// What stood in the way.
    pub walls: Walls,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a run. `Display` is for people: the breaches with what was seen, and how many attacks were held off.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a report may tell of a breach: `assert_held`"]
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

    /// Every attack, in the order of the run.
    #[must_use]
    pub fn attacks(&self) -> &[Attack] {
        &self.attacks
    }

    /// The attacks that a wall did not hold off.
    pub fn breaches(&self) -> impl Iterator<Item = &Attack> {
        self.attacks.iter().filter(|attack| attack.outcome != Outcome::Held)
    }

    /// Whether every wall held, and there was an attack at all.
    #[must_use]
    pub fn held(&self) -> bool {
        !self.attacks.is_empty() && self.breaches().next().is_none()
    }

    /// For a test.
    ///
    /// # Panics
    ///
    /// With the report, unless every wall [`held`](Self::held).
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
            writeln!(f, "BROKE [{}] {}", attack.walls, attack.name)?;
            if let Outcome::Broke { seen } = &attack.outcome {
                for line in seen {
                    writeln!(f, "    {line}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "both walls",
            Self::Fence => "the fence alone",
            Self::RowLevelSecurity => "row-level security alone",
        })
    }
}
