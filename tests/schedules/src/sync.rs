//! The standard library's locks, as shuttle has them.

pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(crate) mod atomic {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
}
