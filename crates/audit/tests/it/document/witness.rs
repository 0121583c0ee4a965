//! The vectors of witnesses.

use rylie_audit::{Cosignature, WitnessKey, WitnessState};

use super::blocks::{block, check};
use super::{checkpoint, heartbeat, key};

#[test]
fn a_witness_signs_as_documented() {
    let (key, mut state) = (key(), WitnessState::default());
    let witness = WitnessKey::new("witness.example.com/w1", key.public()).unwrap();
    for seen in [heartbeat(), checkpoint()] {
        state.see(&seen, &[key.public()]).unwrap();
    }
    let cosignature = state.state(1_764_000_000);

    check("witness", |_| format!("{witness}\n"));
    check("statement", |_| cosignature.sign(&witness, &key));
    check("state", |_| state.to_text());

    assert_eq!(WitnessKey::parse(&block("witness")).unwrap(), witness);
    assert_eq!(Cosignature::parse(&block("statement"), &witness).unwrap(), Some(cosignature));
    assert_eq!(WitnessState::parse(&block("state")).unwrap().to_text(), state.to_text());
}
