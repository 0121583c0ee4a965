//! The properties, and verification as the model of `rylie audit verify` with one witness required.

use crate::state::{Attack, Chain, Record, Rules, State};

/// Returns the first property that does not hold.
pub fn violated(state: &State, rules: &Rules) -> Option<&'static str> {
    let honest = state.attack.is_none();
    if honest && state.committed.iter().any(|record| is_lost(state, record)) {
        return Some("no committed record is lost");
    }
    if honest && state.committed.iter().any(|record| times_sealed(state, record) > 1) {
        return Some("no record is sealed twice");
    }
    if honest && !state.log.starts_with(&state.published) {
        return Some("the published log is one chain");
    }
    if state.forked {
        return Some("a sealer does not fork the published log");
    }
    let one_chain = |signed: &[Chain]| signed.is_sorted_by(|a, b| b.starts_with(a));
    if state.witnesses.iter().any(|witness| !one_chain(&witness.signed)) {
        return Some("a witness signs one chain");
    }
    if honest && is_found(state, rules) {
        return Some("an honest log verifies");
    }
    let covered = match state.attack {
        // A statement from before the attack covers the batch that was changed or is gone.
        Some(Attack::FromBatch(from)) => state.witnessed > from,
        Some(Attack::Rows) => true,
        None => false,
    };
    if covered && !is_found(state, rules) {
        return Some("tampering with what was sealed or witnessed is found");
    }
    None
}

fn times_sealed(state: &State, record: &Record) -> usize {
    state.log.iter().filter(|batch| batch.records.contains(record)).count()
}

/// A record may leave the database only by retention, with its batch.
fn is_lost(state: &State, record: &Record) -> bool {
    let batch = state.log.iter().position(|batch| batch.records.contains(record));
    match batch {
        Some(batch) if batch < state.removed => false,
        Some(_) => !state.stored.contains(record),
        None => !state.stored.contains(record) || !state.pending.contains(record),
    }
}

/// Whether a verification reports a finding.
fn is_found(state: &State, rules: &Rules) -> bool {
    let declared = state.log.last().map_or(0, |last| last.declared);
    let kept = || state.log.iter().enumerate().skip(state.removed);
    let gone = kept().any(|(_, batch)| batch.records.iter().any(|record| !state.stored.contains(record)));
    let strays = state.stored.iter().any(|record| {
        let places = kept().filter(|(_, batch)| batch.records.contains(record)).count();
        places + usize::from(state.pending.contains(record)) != 1
    });
    let emptied = state.emptied.iter().any(|record| {
        let Record::Plain(number) = record else { return true };
        let batch = state.log.iter().position(|batch| batch.records.contains(record)).unwrap_or(usize::MAX);
        let erasure = Record::Erasure(*number);
        let sealed = kept().any(|(later, sealed)| later > batch && sealed.records.contains(&erasure));
        !sealed && !state.pending.contains(&erasure)
    });
    let mut signed = state.witnesses.iter().flat_map(|witness| &witness.signed);
    let contradicted = !rules.ignores_witnesses && signed.any(|signed| !state.log.starts_with(signed));
    state.removed > declared || gone || strays || emptied || contradicted
}
