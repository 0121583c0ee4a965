//! Breadth-first exploration of all reachable states. The first violation has the shortest trace.

use std::collections::HashMap;
use std::fmt;

use crate::properties::violated;
use crate::state::{Rules, Scenario, State};
use crate::steps::steps;

/// The outcome of an exploration.
pub struct Explored {
    /// The number of different states.
    pub states: usize,
    /// The first violation; `None` if every property holds.
    pub broken: Option<Broken>,
}

/// A violation, with the shortest sequence of actions that leads to it.
pub struct Broken {
    /// The property.
    pub property: &'static str,
    trace: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" after: {}", self.property, self.trace.join("; "))
    }
}

/// Explores all states that these rules reach, up to the first violation.
pub fn explore(rules: Rules, scenario: Scenario) -> Explored {
    let mut known: HashMap<State, usize> = HashMap::new();
    // The action that led to each state, and the state before.
    let mut came: Vec<(usize, String)> = vec![(0, String::new())];
    let mut level = vec![(State::default(), 0)];
    known.insert(State::default(), 0);
    while !level.is_empty() {
        let mut next = Vec::new();
        for (state, number) in level {
            for (action, after) in steps(&state, &rules, scenario) {
                if known.contains_key(&after) {
                    continue;
                }
                let reached = came.len();
                came.push((number, action));
                if let Some(property) = violated(&after, &rules) {
                    let broken = Some(Broken { property, trace: trace(&came, reached) });
                    return Explored { states: known.len(), broken };
                }
                known.insert(after.clone(), reached);
                next.push((after, reached));
            }
        }
        level = next;
    }
    Explored { states: known.len(), broken: None }
}

fn trace(came: &[(usize, String)], mut number: usize) -> Vec<String> {
    let mut actions = Vec::new();
    while number != 0 {
        actions.push(came[number].1.clone());
        number = came[number].0;
    }
    actions.reverse();
    actions
}
