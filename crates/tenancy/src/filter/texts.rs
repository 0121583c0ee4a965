//! Cached SQL texts: rendering one dominates the client's time for a small read.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// SQL texts by key. Each is kept while the process runs, so the number of keys must be small.
pub(super) struct Texts<K>(LazyLock<RwLock<HashMap<K, Arc<str>>>>);

impl<K: Eq + Hash> Texts<K> {
    pub(super) const fn new() -> Self {
        Self(LazyLock::new(RwLock::default))
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    pub(super) fn keep(&self, key: K, text: &str) -> Arc<str> {
        Arc::clone(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(|| text.into()))
    }
}
