//! The sink of checkpoints that a setting or a flag names.

use rylie_audit::{CheckpointSink, FileSink};

use crate::error::Result;

/// How a place in object storage begins.
const OBJECTS: &str = "s3://";

/// Where checkpoints go: to a file, or to `s3://bucket/prefix` with the feature `object-storage`. [`Error::Invalid`](crate::Error::Invalid) for an address
/// that is none, and without the feature.
pub fn checkpoint_sink(target: &str) -> Result<Box<dyn CheckpointSink>> {
    match target.strip_prefix(OBJECTS) {
        None => Ok(Box::new(FileSink(target.into()))),
        #[cfg(feature = "object-storage")]
        Some(place) => Ok(Box::new(crate::object_sink::ObjectSink::new(place)?)),
        #[cfg(not(feature = "object-storage"))]
        Some(_) => {
            Err(crate::Error::invalid("the place of checkpoints", "this is built without the feature `object-storage`"))
        }
    }
}
