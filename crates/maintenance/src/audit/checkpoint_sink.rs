//! The place of checkpoints that a setting or a flag names: to add to, and to compare with.

use std::path::Path;

use rylie_audit::{CheckpointSink, FileSink, Outside};

use crate::error::{Error, Result};

/// How a place in object storage begins.
const OBJECTS: &str = "s3://";

/// Where checkpoints go: to a file, or to `s3://bucket/prefix` with the feature `object-storage`. [`Error::Invalid`](crate::Error::Invalid) for an address
/// that is none, and without the feature.
pub fn checkpoint_sink(target: &str) -> Result<Box<dyn CheckpointSink>> {
    match target.strip_prefix(OBJECTS) {
        None => Ok(Box::new(FileSink(target.into()))),
        #[cfg(feature = "object-storage")]
        Some(place) => Ok(Box::new(super::object_sink::ObjectSink::new(place)?)),
        #[cfg(not(feature = "object-storage"))]
        Some(_) => {
            Err(Error::invalid("the place of checkpoints", "this is built without the feature `object-storage`"))
        }
    }
}

/// What is kept at such a place, for a verification: all that a file has, and of `s3://bucket/prefix` the newest, which names
/// those before it. `None` where nothing is kept.
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
