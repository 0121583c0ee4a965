//! The test vectors of `docs/audit-format.md`. Inputs are read from the document, and results are computed by this
//! crate. `UPDATE_SNAPSHOTS=1` writes the results into the document.

mod blocks;
mod export;
mod files;
mod texts;
mod witness;

use std::collections::BTreeMap;

use rylie_audit::{
    ActorPart, Checkpoint, Committed, Digest, Document, Format, Proof, Record, Salt, SignedCheckpoint, SigningKey,
    TargetPart, TenantEntry, TenantPlace, Text, Tree, inclusion_path, leaf_hash,
};
use serde::{Deserialize, Serialize};

use blocks::{check, check_json, read_json};

/// PKCS#8 version 1 of an Ed25519 key, before its seed.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

fn pkcs8() -> Vec<u8> {
    PKCS8.into_iter().chain(0..32).collect()
}

fn pem() -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(pkcs8());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn key() -> SigningKey {
    SigningKey::parse(&pem()).unwrap()
}

#[test]
fn the_key_of_the_vectors_is_read() {
    check("key", |_| format!("{}{}\n", pem(), key().public()));
}

#[derive(Deserialize, Serialize)]
struct Number {
    text: String,
    #[serde(default)]
    reads: String,
}

#[test]
fn numbers_of_version_1_are_read_as_documented() {
    check_json("numbers", |number: &mut Number| {
        number.reads = match serde_json::from_str::<serde_json::Value>(&number.text) {
            Ok(value) if value.is_i64() || value.is_u64() => "integer".to_owned(),
            Ok(value) => format!("double {:016x}", value.as_f64().unwrap().to_bits()),
            Err(_) => "string".to_owned(),
        };
    });
}

#[derive(Deserialize, Serialize)]
struct Target {
    version: u8,
    salt: Salt,
    resource_id: Option<Text>,
    details: Option<Text>,
    #[serde(default = "none")]
    commitment: Digest,
}

fn none() -> Digest {
    Digest::NONE
}

#[test]
fn target_parts_have_the_documented_commitments() {
    check_json("targets", |target: &mut Target| {
        let format = if target.version == 1 { Format::One } else { Format::Two };
        let details = target.details.clone().map(|text| Document::of(format, text));
        target.commitment = TargetPart { resource_id: target.resource_id.clone(), details }.commitment(&target.salt);
    });
}

#[derive(Deserialize, Serialize)]
struct ActorVector {
    salt: Salt,
    value: ActorPart,
    #[serde(default = "none")]
    commitment: Digest,
}

#[test]
fn actor_parts_have_the_documented_commitments() {
    check_json("actors", |actor: &mut ActorVector| actor.commitment = actor.value.commitment(&actor.salt));
}

#[derive(Deserialize, Serialize)]
struct RecordVector {
    record: Record,
    #[serde(default = "none")]
    leaf: Digest,
}

#[test]
fn records_have_the_documented_hashes() {
    check_json("records", |vector: &mut RecordVector| vector.leaf = vector.record.leaf());
}

#[derive(Deserialize, Serialize)]
struct TreeVector {
    size: u8,
    index: usize,
    #[serde(default = "none")]
    root: Digest,
    #[serde(default)]
    path: Option<Vec<Digest>>,
}

#[test]
fn trees_have_the_documented_roots_and_paths() {
    check_json("trees", |vector: &mut TreeVector| {
        let leaves: Vec<Digest> = (0..vector.size).map(|byte| leaf_hash(&[byte])).collect();
        vector.path = inclusion_path(&leaves, vector.index);
        vector.root = leaves.into_iter().collect::<Tree>().root();
    });
}

/// The records of the document by tenant, in the order of their leaves.
fn records() -> BTreeMap<String, Vec<Record>> {
    let mut tenants: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for RecordVector { record, .. } in read_json("records") {
        tenants.entry(record.tenant.clone()).or_default().push(record);
    }
    for records in tenants.values_mut() {
        records.sort_by_key(Record::order);
    }
    tenants
}

fn leaves(records: &[Record]) -> Vec<Digest> {
    records.iter().map(Record::leaf).collect()
}

/// The entries of the batch.
fn entries() -> Vec<TenantEntry> {
    let entry = |(tenant, records): (String, Vec<Record>)| TenantEntry {
        tenant,
        records: records.len() as u64,
        total: records.len() as u64,
        root: leaves(&records).into_iter().collect::<Tree>().root(),
    };
    records().into_iter().map(entry).collect()
}

#[derive(Deserialize, Serialize)]
struct EntryVector {
    entry: TenantEntry,
    leaf: Digest,
}

#[test]
fn entries_have_the_documented_hashes() {
    let vectors: Vec<_> = entries().into_iter().map(|entry| EntryVector { leaf: entry.leaf(), entry }).collect();
    check("entries", |_| blocks::lines(&vectors));
}

fn heartbeat() -> SignedCheckpoint {
    let checkpoint = Checkpoint {
        database: "3f0c8f1e-7c55-4b0e-9d57-0b9f3f1c2a4d".to_owned(),
        batch: 1,
        time: "2026-11-24T00:00:00.000Z".parse().unwrap(),
        records: 0,
        total: 0,
        tenants: 0,
        removed: 0,
        root: Tree::default().root(),
        previous: Digest::NONE,
    };
    checkpoint.sign_as(Format::One, &key())
}

fn checkpoint() -> SignedCheckpoint {
    let (first, entries) = (heartbeat(), entries());
    let records = entries.iter().map(|entry| entry.records).sum();
    let checkpoint = Checkpoint {
        batch: 2,
        time: "2026-11-24T00:05:00.250Z".parse().unwrap(),
        records,
        total: records,
        tenants: entries.len() as u64,
        removed: 1,
        root: entries.iter().map(TenantEntry::leaf).collect::<Tree>().root(),
        previous: first.hash(),
        ..first.checkpoint().clone()
    };
    checkpoint.sign(&key())
}

#[test]
fn checkpoints_are_written_and_read_as_documented() {
    for (name, signed) in [("heartbeat", heartbeat()), ("checkpoint", checkpoint())] {
        check(name, |text| {
            if !text.is_empty() && std::env::var_os("UPDATE_SNAPSHOTS").is_none() {
                assert_eq!(SignedCheckpoint::parse(text).unwrap(), signed);
            }
            signed.to_text()
        });
    }
    let hashes = [("heartbeat", heartbeat().hash()), ("checkpoint", checkpoint().hash())];
    check("hashes", |_| blocks::lines(&hashes));
}

/// Returns the place of a tenant in the batch.
fn place(tenant: &str) -> TenantPlace {
    let entries = entries();
    let index = entries.iter().position(|entry| entry.tenant == tenant).unwrap();
    let leaves: Vec<Digest> = entries.iter().map(TenantEntry::leaf).collect();
    let path = inclusion_path(&leaves, index).unwrap();
    TenantPlace { entry: entries[index].clone(), index: index as u64, path }
}

#[test]
fn a_proof_is_written_and_read_as_documented() {
    let records = records().remove("a1").unwrap();
    let path = inclusion_path(&leaves(&records), 1).unwrap();
    let proof = Proof::new(records[1].clone(), (1, path), place("a1"), &checkpoint());
    check("proof", |_| format!("{}\n", serde_json::to_string_pretty(&proof).unwrap()));

    assert_eq!(Proof::parse(&blocks::block("proof")).unwrap().check().unwrap(), checkpoint());
}

/// Replaces the object at a pointer by the array of its members' values.
fn with_array(document: &str, pointer: &str) -> String {
    let mut document: serde_json::Value = serde_json::from_str(document).unwrap();
    let object = document.pointer_mut(pointer).unwrap();
    *object = object.as_object().unwrap().values().cloned().collect();
    document.to_string()
}

#[test]
fn an_array_in_place_of_an_object_of_a_proof_is_refused() {
    let proof = blocks::block("proof");
    for pointer in ["", "/record", "/record/who/open", "/record/who/open/value", "/record/what/open/value", "/tenant"] {
        assert!(Proof::parse(&with_array(&proof, pointer)).is_err(), "{pointer}");
    }
}
