//! `vectors.json` was computed by another implementation, from the specification alone.

use rylie_audit::{Digest, Record, SignedCheckpoint, TenantEntry, Tree, leaf_hash};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    records: Vec<RecordVector>,
    entries: Vec<EntryVector>,
    batch_root: Digest,
    /// The roots over the leaves `00`, `00 01`, … of one byte each; the first over no leaves.
    trees: Vec<Digest>,
}

#[derive(Deserialize)]
struct RecordVector {
    record: Record,
    leaf: Digest,
}

#[derive(Deserialize)]
struct EntryVector {
    entry: TenantEntry,
    leaf: Digest,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

#[test]
fn records_hash_as_the_vectors_do() {
    let vectors = vectors();
    assert_eq!(vectors.records.len(), 3);
    for vector in vectors.records {
        assert_eq!(vector.record.leaf(), vector.leaf, "{}", vector.record.id);
    }
}

#[test]
fn entries_and_the_batch_hash_as_the_vectors_do() {
    let vectors = vectors();
    let mut batch = Tree::default();
    for EntryVector { entry, leaf } in &vectors.entries {
        assert_eq!(entry.leaf(), *leaf, "{}", entry.tenant);
        batch.push(*leaf);
    }
    assert_eq!(batch.root(), vectors.batch_root);
}

#[test]
fn a_tenants_records_stand_in_the_order_of_the_vectors() {
    let vectors = vectors();
    let mut records: Vec<&Record> =
        vectors.records.iter().map(|vector| &vector.record).filter(|record| record.tenant == "a1").collect();
    records.sort_by_key(|record| record.order());
    let root = records.iter().map(|record| record.leaf()).collect::<Tree>().root();
    assert_eq!(root, vectors.entries[0].entry.root);
}

#[test]
fn trees_hash_as_the_vectors_do() {
    let mut tree = Tree::default();
    for (size, root) in vectors().trees.into_iter().enumerate() {
        assert_eq!(tree.root(), root, "{size} leaves");
        tree.push(leaf_hash(&[u8::try_from(size).unwrap()]));
    }
}

#[test]
fn the_checkpoint_of_the_vectors_is_read() {
    let text = include_str!("checkpoint.txt");
    let signed = SignedCheckpoint::parse(text).unwrap();
    assert_eq!(signed.checkpoint().batch, 1);
    assert_eq!(signed.checkpoint().root, vectors().batch_root);
    assert_eq!(signed.to_text(), text);
}
