//! Properties of random trees, checkpoints and address chains. A failure prints its seed.

use proptest::prelude::*;
use rylie_audit::{Digest, SignedCheckpoint, Tree, TrustedProxies, inclusion_path, leaf_hash, root_of_path};

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

proptest! {
    #[test]
    fn every_leaf_is_proven_and_no_other_in_its_place(count in 1_usize..200, at in any::<prop::sample::Index>(), bit in 0_usize..256) {
        let (leaves, at) = (leaves(count), at.index(count));
        let root = leaves.iter().copied().collect::<Tree>().root();
        let mut path = inclusion_path(&leaves, at).unwrap();
        let prove = |leaf, at: usize, path: &[Digest]| root_of_path(leaf, at as u64, count as u64, path) == Some(root);

        prop_assert!(prove(leaves[at], at, &path));
        for other in (0..count).filter(|other| *other != at) {
            prop_assert!(!prove(leaves[at], other, &path));
            prop_assert!(!prove(leaves[other], at, &path));
        }
        if let Some(neighbour) = path.first_mut() {
            neighbour.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!prove(leaves[at], at, &path));
        }
        path.push(root);
        prop_assert!(!prove(leaves[at], at, &path));
    }

    #[test]
    fn a_checkpoint_with_any_byte_changed_is_none(at in any::<prop::sample::Index>(), to in 0_u8..128) {
        let mut bytes = include_str!("checkpoint.txt").trim_end().as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(SignedCheckpoint::parse(&text).is_err());
    }

    #[test]
    fn hostile_text_panics_nobody(text in ".{0,200}") {
        let proxies = TrustedProxies::parse(["0.0.0.0/0", "::/0"]).unwrap();
        let _ = proxies.client([10, 0, 0, 1].into(), Some(&text));
        prop_assert!(SignedCheckpoint::parse_all(&text).is_err());
    }
}
