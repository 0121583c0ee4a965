//! A read that waits to be polled.

use std::pin::Pin;

use crate::Result;

/// A pending read.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;
