//! The destination of checkpoints that a setting or a flag names, for publishing and for comparison.

use std::path::Path;

use rylie_audit::{CheckpointSink, FileSink, Outside};

use crate::error::{Error, Result};

/// The prefix of a destination in object storage.
const OBJECTS: &str = "s3://";

/// Opens a destination of checkpoints: a file, or `s3://bucket/prefix` with the feature `object-storage`. Fails with
/// [`Error::Invalid`](crate::Error::Invalid) for an invalid address, and without the feature.
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

/// Returns the checkpoints of such a destination, for a verification: all of a file, or the newest of
/// `s3://bucket/prefix`, which names its predecessors. `None` if there are none.
pub fn kept_checkpoints(place: &str) -> Result<Option<Outside>> {
    let failed = |source: rylie_audit::Error| Error::Data {
        doing: "reading the checkpoints kept outside",
        source: source.into(),
    };
    if place.starts_with(OBJECTS) {
        let newest = checkpoint_sink(place)?.last().map_err(failed)?;
        return Ok(newest.map(|newest| Outside::from_iter([newest])));
    }
    let file = Path::new(place);
    if file.exists() { Outside::read(file).map(Some).map_err(failed) } else { Ok(None) }
}
