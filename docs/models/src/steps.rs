//! The actions: every state that may follow another.

use std::collections::BTreeSet;

use crate::state::{Attack, Chain, Copy, Record, Rules, Scenario, Sealed, State};

type Steps = Vec<(String, State)>;

/// Returns every action that is possible, with the state after it.
pub fn steps(state: &State, rules: &Rules, scenario: Scenario) -> Steps {
    let mut steps = Vec::new();
    let (records, batches) = scenario.bounds();
    writers(state, records, &mut steps);
    // After an attack the honest processes only witness, and seal what an older copy has pending.
    if state.attack.is_none() || scenario == Scenario::Witnesses && state.log.iter().all(|batch| !batch.forged) {
        let sealers_at_once = if scenario == Scenario::Database { 2 } else { 1 };
        (0..sealers_at_once).for_each(|sealer| seal(state, rules, sealer, batches, &mut steps));
    }
    if state.attack.is_none() {
        publish(state, rules, &mut steps);
        match scenario {
            Scenario::Database => {
                keepers(state, rules, batches, &mut steps);
                attacks_on_rows(state, &mut steps);
            }
            Scenario::Witnesses => attacks_on_the_log(state, &mut steps),
        }
    }
    if scenario == Scenario::Witnesses {
        (0..state.witnesses.len()).for_each(|number| witness(state, rules, number, &mut steps));
    }
    steps
}

fn step(steps: &mut Steps, state: &State, name: String, change: impl FnOnce(&mut State)) {
    let mut after = state.clone();
    change(&mut after);
    steps.push((name, after));
}

fn writers(state: &State, records: u8, steps: &mut Steps) {
    if state.attack.is_some() {
        return;
    }
    if state.positions < records {
        step(steps, state, format!("a writer gets position {}", state.positions), |state| {
            state.open.insert(state.positions);
            state.positions += 1;
        });
    }
    for record in &state.open {
        step(steps, state, format!("record {record} commits"), |state| {
            state.open.remove(record);
            commit(state, Record::Plain(*record));
        });
    }
}

fn commit(state: &mut State, record: Record) {
    state.committed.insert(record);
    state.stored.insert(record);
    state.pending.insert(record);
}

fn seal(state: &State, rules: &Rules, sealer: usize, batches: usize, steps: &mut Steps) {
    match &state.sealing[sealer] {
        None if state.log.len() < batches && (rules.no_lock || state.sealing[1 - sealer].is_none()) => {
            // A sealer first compares with the published log, and refuses a log that does not continue it.
            if !rules.blind_sealer && !state.log.starts_with(&state.published) {
                return;
            }
            let read = if rules.seals_positions { newest_positions(state) } else { state.pending.clone() };
            if !read.is_empty() {
                step(steps, state, format!("sealer {sealer} reads"), |state| state.sealing[sealer] = Some(read));
            }
        }
        None => {}
        Some(read) => {
            step(steps, state, format!("sealer {sealer} stores"), |state| {
                state.sealing[sealer] = None;
                store(state, read.clone(), declared(state), rules);
            });
            if !state.crashed {
                step(steps, state, format!("sealer {sealer} crashes"), |state| {
                    (state.sealing[sealer], state.crashed) = (None, true);
                });
            }
        }
    }
}

fn publish(state: &State, rules: &Rules, steps: &mut Steps) {
    if state.published.len() < state.log.len() && (rules.blind_sealer || state.log.starts_with(&state.published)) {
        step(steps, state, "the log is published".to_owned(), |state| {
            let missing = state.log[state.published.len()..].to_vec();
            state.published.extend(missing);
        });
    }
}

/// Returns the records after the highest sealed position, for the mutant that seals ranges.
fn newest_positions(state: &State) -> BTreeSet<Record> {
    let sealed = state.log.iter().flat_map(|batch| &batch.records);
    let last = sealed.filter_map(|record| if let Record::Plain(n) = record { Some(*n) } else { None }).max();
    let newer = |record: &&Record| !matches!((record, last), (Record::Plain(n), Some(last)) if *n <= last);
    state.pending.iter().filter(newer).copied().collect()
}

fn declared(state: &State) -> usize {
    state.log.last().map_or(0, |last| last.declared)
}

fn store(state: &mut State, records: BTreeSet<Record>, declared: usize, rules: &Rules) {
    if rules.seals_positions {
        // Nothing notes a record that commits later under a lower position.
        state.pending.clear();
    } else {
        state.pending.retain(|record| !records.contains(record));
    }
    state.log.push(Sealed { records, salt: state.salt, declared, forged: false });
    state.salt += 1;
    state.forked |= !state.published.starts_with(&state.log) && !state.log.starts_with(&state.published);
}

fn keepers(state: &State, rules: &Rules, batches: usize, steps: &mut Steps) {
    let idle = state.sealing.iter().all(Option::is_none);
    if idle && state.log.len() < batches && declared(state) < state.log.len() && state.log.starts_with(&state.published)
    {
        step(steps, state, "retention declares a batch".to_owned(), |state| {
            let (records, declared) = (state.pending.clone(), declared(state) + 1);
            store(state, records, declared, rules);
        });
    }
    let removable = if rules.removes_undeclared { state.log.len() } else { declared(state) };
    if idle && state.removed < removable {
        step(steps, state, "retention removes a batch".to_owned(), |state| {
            let gone = state.log[state.removed].records.clone();
            state.stored.retain(|record| !gone.contains(record));
            state.emptied.retain(|record| !gone.contains(record));
            state.removed += 1;
        });
    }
    if state.emptied.is_empty() && idle {
        let present = state.log.iter().skip(state.removed).flat_map(|batch| &batch.records);
        for record in present.filter(|record| matches!(record, Record::Plain(_))) {
            step(steps, state, format!("{record:?} is erased"), |state| {
                state.emptied.insert(*record);
                if let (Record::Plain(number), false) = (record, rules.erases_silently) {
                    commit(state, Record::Erasure(*number));
                }
            });
        }
    }
}

fn attacks_on_the_log(state: &State, steps: &mut Steps) {
    if state.sealing.iter().any(Option::is_some) {
        return;
    }
    if state.copy.is_none() && !state.log.is_empty() {
        step(steps, state, "a copy is made".to_owned(), |state| {
            let State { stored, pending, emptied, log, removed, .. } = state.clone();
            state.copy = Some(Box::new(Copy { stored, pending, emptied, log, removed }));
        });
    }
    if let Some(copy) = state.copy.as_ref().filter(|copy| copy.log.len() < state.log.len()) {
        step(steps, state, "ATTACK: the copy is put back".to_owned(), |state| {
            let Copy { stored, pending, emptied, log, removed } = (**copy).clone();
            (state.attack, state.witnessed) = (Some(Attack::FromBatch(log.len())), witnessed(state));
            (state.stored, state.pending, state.emptied) = (stored, pending, emptied);
            (state.log, state.removed) = (log, removed);
        });
    }
    for from in 0..state.log.len() {
        step(steps, state, format!("ATTACK: the log is rebuilt from batch {from} on"), |state| {
            state.log[from..].iter_mut().for_each(|batch| batch.forged = true);
            (state.attack, state.witnessed) = (Some(Attack::FromBatch(from)), witnessed(state));
        });
    }
}

fn witnessed(state: &State) -> usize {
    state.witnesses.iter().flat_map(|witness| &witness.signed).map(Vec::len).max().unwrap_or(0)
}

fn attacks_on_rows(state: &State, steps: &mut Steps) {
    let sealed: Vec<Record> = state.log.iter().skip(state.removed).flat_map(|batch| &batch.records).copied().collect();
    for record in sealed {
        step(steps, state, format!("ATTACK: the row of {record:?} is removed"), |state| {
            state.stored.remove(&record);
            state.attack = Some(Attack::Rows);
        });
        if !state.emptied.contains(&record) {
            step(steps, state, format!("ATTACK: {record:?} is emptied"), |state| {
                state.emptied.insert(record);
                state.attack = Some(Attack::Rows);
            });
        }
    }
}

fn witness(state: &State, rules: &Rules, number: usize, steps: &mut Steps) {
    let witness = &state.witnesses[number];
    if let Some(next) = &witness.next {
        step(steps, state, format!("witness {number} finishes"), |state| {
            let witness = &mut state.witnesses[number];
            witness.next = None;
            if rules.signs_first {
                witness.seen = Some(next.clone());
            } else {
                sign(&mut witness.signed, next);
            }
        });
        if !state.crashed {
            step(steps, state, format!("witness {number} crashes"), |state| {
                (state.witnesses[number].next, state.crashed) = (None, true);
            });
        }
        return;
    }
    // It sees the published log, or one that the attacker shows.
    for (shown, chain) in [("the published log", &state.published), ("the database's log", &state.log)] {
        let may_begin = witness.seen.is_some() || rules.forgets || (!witness.lost && witness.signed.is_empty());
        let known = witness.seen.clone().unwrap_or_default();
        if chain.is_empty() || !may_begin || !chain.starts_with(&known) || witness.signed.contains(chain) {
            continue;
        }
        step(steps, state, format!("witness {number} sees {shown}"), |state| {
            let witness = &mut state.witnesses[number];
            witness.next = Some(chain.clone());
            if rules.signs_first {
                sign(&mut witness.signed, chain);
            } else {
                witness.seen = Some(chain.clone());
            }
        });
    }
    if number == 0 && witness.seen.is_some() && !witness.lost {
        step(steps, state, "witness 0 loses its state".to_owned(), |state| {
            (state.witnesses[0].seen, state.witnesses[0].lost) = (None, true);
        });
    }
}

fn sign(signed: &mut Vec<Chain>, chain: &Chain) {
    signed.push(chain.clone());
    signed.sort_by_key(Vec::len);
}
