//! The destination of checkpoints that a setting or a flag names, for publishing and for comparison.

use std::path::Path;

use rylie_audit::{CheckpointSink, FileSink, Outside, SignedCheckpoint};

use crate::error::{Error, Result};

/// The prefix of a destination in object storage.
const OBJECTS: &str = "s3://";

/// Opens a destination of checkpoints: a file, or `s3://bucket/prefix` with the feature `object-storage`. Fails with
/// [`Error::Invalid`] for an invalid address, and without the feature.
pub fn checkpoint_sink(target: &str) -> Result<Box<dyn CheckpointSink>> {
    match target.strip_prefix(OBJECTS) {
        None => Ok(Box::new(FileSink(target.into()))),
        #[cfg(feature = "object-storage")]
        Some(place) => Ok(Box::new(super::object_sink::ObjectSink::new(place)?)),
        #[cfg(not(feature = "object-storage"))]
        Some(_) => {
            Err(Error::invalid("the destination of checkpoints", "the feature `object-storage` is not built in"))
        }
    }
}

/// Opens each destination of a list that is separated by commas; see [`checkpoint_sink`]. Fails as that does.
pub fn checkpoint_sinks(targets: &str) -> Result<Vec<Box<dyn CheckpointSink>>> {
    places(targets).map(checkpoint_sink).collect()
}

fn places(targets: &str) -> impl Iterator<Item = &str> {
    targets.split(',').map(str::trim).filter(|place| !place.is_empty() && *place != "none")
}

/// Returns the checkpoints of such destinations, for a verification: all of each file, and the newest of each
/// `s3://bucket/prefix`, which names its predecessors. `None` if one of the destinations has none. Fails with
/// [`Error::Data`] if a destination cannot be read or has something else, and as [`checkpoint_sink`] does.
pub fn kept_checkpoints(targets: &str) -> Result<Option<Outside>> {
    let mut all = Outside::default();
    for place in places(targets) {
        let Some(kept) = kept_at(place)? else { return Ok(None) };
        all = all.merge(kept);
    }
    Ok((!all.is_empty()).then_some(all))
}

fn kept_at(place: &str) -> Result<Option<Outside>> {
    if place.starts_with(OBJECTS) {
        let newest = checkpoint_sink(place)?.last().map_err(failed)?;
        return Ok(newest.map(|newest| Outside::from_iter([newest])));
    }
    let file = Path::new(place);
    if file.exists() { Outside::read(file).map(Some).map_err(failed) } else { Ok(None) }
}

/// Passes the checkpoints of one destination to `each`, from a batch on. A file is read in its own order. Object
/// storage is read in the order of the batches, one request each. Fails with [`Error::Data`] if it cannot be read or
/// has something else, and with an error of `each`.
pub fn read_checkpoints(
    place: &str,
    from: u64,
    each: &mut dyn FnMut(SignedCheckpoint) -> rylie_audit::Result<()>,
) -> Result<()> {
    match place.strip_prefix(OBJECTS) {
        None => SignedCheckpoint::read_file(Path::new(place), from, each).map_err(failed),
        #[cfg(feature = "object-storage")]
        Some(bucket) => super::object_sink::ObjectSink::new(bucket)?.read_from(from, each).map_err(failed),
        #[cfg(not(feature = "object-storage"))]
        Some(_) => checkpoint_sink(place).map(|_| ()),
    }
}

/// Refuses a destination that has two different checkpoints of one batch before `until`, and returns the last batch there;
/// 0 for none. Object storage has one object for each batch.
pub(crate) fn refuse_forks(place: &str, until: u64) -> Result<u64> {
    if place.starts_with(OBJECTS) {
        let newest = checkpoint_sink(place)?.last().map_err(failed)?;
        return Ok(newest.map_or(0, |newest| newest.checkpoint().batch));
    }
    SignedCheckpoint::refuse_forks(Path::new(place), until).map_err(failed)
}

fn failed(source: rylie_audit::Error) -> Error {
    Error::Data { doing: "reading the checkpoints kept outside", source: source.into() }
}
