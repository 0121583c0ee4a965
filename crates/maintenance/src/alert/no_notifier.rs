//! Targets of alerts in a build without the feature `alerts`: there are none.

use std::convert::Infallible;

use rylie_repositories::Delivery;

use super::Smtp;
use crate::error::{Error, Result};

/// A target of alerts. This build has none: the feature `alerts` is off.
#[derive(Clone, Debug)]
pub struct Notifier(Infallible);

impl Notifier {
    /// Fails with [`Error::Invalid`], which names the feature to switch on.
    pub fn new(_target: &str, _smtp: Option<&Smtp>) -> Result<Self> {
        Err(Error::invalid("a target to notify", "this build sends no alerts; switch on the feature `alerts`"))
    }

    /// Returns the target for display and storage.
    #[must_use]
    pub fn target(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn place(&self) -> Option<(String, u16)> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "the same signature as with the feature")]
    pub(super) async fn send(&self, _delivery: &Delivery, _words: &str) -> Result<()> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::Notifier;

    #[test]
    fn a_target_is_refused_with_the_name_of_the_feature() {
        let error = Notifier::new("https://hooks.example.com/x", None).unwrap_err().to_string();
        assert!(error.contains("`alerts`"), "{error}");
    }
}
