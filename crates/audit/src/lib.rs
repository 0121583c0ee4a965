#![doc = include_str!("../README.md")]

mod action;
mod actor;
mod event;
mod origin;
mod proxies;
mod target;

mod checkpoint;
mod complete;
mod consistency;
mod cosignature;
mod digest;
mod encoding;
mod error;
mod merkle;
mod outside;
mod proof;
mod record;
mod signed_document;
mod signed_text;
mod signing;
mod sink;
mod tenant_entry;
mod tenant_head;
mod text;
mod verify;
mod witness;
mod witnesses;

pub use action::Action;
pub use actor::Actor;
pub use event::Event;
pub use origin::Origin;
pub use proxies::TrustedProxies;
pub use target::AuditTarget;

pub use checkpoint::{Checkpoint, Format, SignedCheckpoint};
pub use complete::{TenantBatch, TenantCheck, TenantLeaf};
pub use consistency::Consistency;
pub use cosignature::{Cosignature, TreeHead, WitnessKey};
pub use digest::Digest;
pub use error::{Error, Result};
pub use merkle::{Tree, inclusion_path, leaf_hash, root_of_path};
pub use outside::Outside;
pub use proof::{Proof, TenantPlace};
pub use record::{ActorPart, Commitments, Committed, Document, Part, Record, Salt, TargetPart};
pub use signed_document::SignedDocument;
pub use signing::{PublicKey, SigningKey};
pub use sink::{CheckpointSink, FileSink, StandardOutput};
pub use tenant_entry::TenantEntry;
pub use tenant_head::TenantHead;
pub use text::{LongText, Text, TextDigest};
pub use verify::{
    Finding, HashedLeaf, HashedRecord, SealedBatch, SealedLeaf, SealedTenant, Seen, StoredRecord, Tampering,
    VerifiedUpTo, Verifier,
};
pub use witness::{Witness, WitnessState};
pub use witnesses::Witnesses;
