//! Witnessing an audit log by its published checkpoints, without its database.

use std::collections::BTreeMap;

use rylie_audit::{Digest, Error as AuditError, PublicKey, SignedCheckpoint, Witness};

use super::checkpoint_sink::{read_checkpoints, refuse_forks};
use crate::error::{Error, Result};

/// Reads the checkpoints of a place that the witness has not seen, checks that they continue the log that it has seen,
/// and signs a statement about the last one. Returns the statement.
///
/// `trusted` are the accepted keys of checkpoints; any key if it is empty. `now` is the time in seconds since 1970. The
/// place must have the last checkpoint that the witness has seen, and every later one in ascending order.
///
/// Otherwise it fails with [`Error::Data`], whose source says why, and signs nothing. It refuses a fork, also of an
/// earlier batch, a place that ends earlier, another database and a missing checkpoint. It also refuses counts that do not
/// add up and a key that is not trusted. Blocks on files and on the network.
pub fn witness_audit(place: &str, witness: &mut Witness, trusted: &[PublicKey], now: u64) -> Result<String> {
    let refused = |source: AuditError| Error::Data { doing: "witnessing the audit log", source: source.into() };
    let (seen, mut state) = (witness.seen().batch(), witness.seen().clone());
    let newest = refuse_forks(place, seen)?;
    let mut last = 0;
    let mut hashes = BTreeMap::<u64, Digest>::new();
    read_checkpoints(place, seen, &mut |checkpoint: SignedCheckpoint| {
        let batch = checkpoint.checkpoint().batch;
        // A file that has two checkpoints of one batch was forked, wherever the second stands.
        if *hashes.entry(batch).or_insert(checkpoint.hash()) != checkpoint.hash() {
            return Err(AuditError::Forked { batch });
        }
        state.see(&checkpoint, trusted)?;
        last = last.max(batch);
        Ok(())
    })?;
    if last < seen {
        return Err(refused(AuditError::Shorter { last: newest, seen }));
    }
    *witness.seen() = state;
    witness.sign(now).map_err(refused)
}
