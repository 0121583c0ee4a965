//! Texts of SQL that are made once: writing one out takes longer than all else that a small read does on this side.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Texts by what tells them apart. Each is kept as long as the process runs, so there must be few.
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
