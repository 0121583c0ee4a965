//! Explores the model and its mutants. Fails if a property does not hold, or if a mutant breaks none.

mod explore;
mod properties;
mod state;
mod steps;

use std::process::ExitCode;

use explore::explore;
use state::{Rules, Scenario};

/// A rule that is removed, and the property that then must break.
struct Mutant {
    name: &'static str,
    scenario: Scenario,
    change: fn(&mut Rules),
    breaks: &'static str,
}

const fn mutant(scenario: Scenario, name: &'static str, change: fn(&mut Rules), breaks: &'static str) -> Mutant {
    Mutant { name, scenario, change, breaks }
}

const MUTANTS: [Mutant; 8] = [
    mutant(Scenario::Database, "seals a range of positions", |rules| rules.seals_positions = true, "lost"),
    mutant(Scenario::Database, "seals without a lock", |rules| rules.no_lock = true, "sealed twice"),
    mutant(Scenario::Witnesses, "seals whatever is published", |rules| rules.blind_sealer = true, "fork"),
    mutant(Scenario::Database, "removes before it declares", |rules| rules.removes_undeclared = true, "honest"),
    mutant(Scenario::Database, "erases without a record", |rules| rules.erases_silently = true, "honest"),
    mutant(Scenario::Witnesses, "signs before it stores its state", |rules| rules.signs_first = true, "witness"),
    mutant(Scenario::Witnesses, "begins again after a lost state", |rules| rules.forgets = true, "witness"),
    mutant(Scenario::Witnesses, "compares no witness", |rules| rules.ignores_witnesses = true, "tampering"),
];

impl Mutant {
    /// Returns the description of what it breaks, or what was expected.
    fn explore(&self) -> Result<String, String> {
        let mut rules = Rules::default();
        (self.change)(&mut rules);
        match explore(rules, self.scenario).broken {
            Some(broken) if broken.property.contains(self.breaks) => Ok(broken.to_string()),
            Some(broken) => Err(format!("it breaks another property: {broken}")),
            None => Err("it breaks no property".to_owned()),
        }
    }
}

fn main() -> ExitCode {
    let mut failed = false;
    for scenario in [Scenario::Database, Scenario::Witnesses] {
        let explored = explore(Rules::default(), scenario);
        failed |= explored.broken.is_some();
        match explored.broken {
            None => println!("{scenario:?}: {} states, every property holds", explored.states),
            Some(broken) => println!("{scenario:?} breaks {broken}"),
        }
    }
    for mutant in &MUTANTS {
        let outcome = mutant.explore();
        failed |= outcome.is_err();
        let (Ok(text) | Err(text)) = outcome;
        println!("mutant, {}: {text}", mutant.name);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::{MUTANTS, Rules, Scenario, explore};

    #[test]
    fn every_property_holds_in_every_state() {
        for scenario in [Scenario::Database, Scenario::Witnesses] {
            let found = explore(Rules::default(), scenario);

            assert!(found.broken.is_none(), "{}", found.broken.unwrap());
            assert!(found.states > 10_000, "{}", found.states);
        }
    }

    #[test]
    fn every_mutant_breaks_its_property() {
        for mutant in &MUTANTS {
            assert_eq!(mutant.explore().err(), None, "{}", mutant.name);
        }
    }
}
