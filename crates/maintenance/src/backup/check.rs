//! The outcome of one check of a backup.

use serde::{Deserialize, Serialize};

/// Whether a check passed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// It passed.
    Ok,
    /// It found damage.
    Failed,
    /// It could not be made; `detail` states why.
    NotChecked,
}

/// One check of a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackupCheck {
    /// What was checked: `files`, `rows`, `audit` and the like.
    pub id: String,
    /// The outcome.
    pub status: CheckStatus,
    /// The finding, without a value of a row.
    pub detail: String,
    #[serde(skip)]
    is_unsigned: bool,
}

impl BackupCheck {
    /// A check that passed.
    #[must_use]
    pub fn ok(id: &str, detail: impl Into<String>) -> Self {
        Self::of(id, CheckStatus::Ok, detail.into())
    }

    /// A check that found damage.
    #[must_use]
    pub fn failed(id: &str, detail: impl Into<String>) -> Self {
        Self::of(id, CheckStatus::Failed, detail.into())
    }

    /// A failed check of a signature that is missing. The other checks are made all the same.
    #[must_use]
    pub fn unsigned(id: &str, detail: impl Into<String>) -> Self {
        Self { is_unsigned: true, ..Self::failed(id, detail) }
    }

    /// A check that could not be made.
    #[must_use]
    pub fn not_checked(id: &str, detail: impl Into<String>) -> Self {
        Self::of(id, CheckStatus::NotChecked, detail.into())
    }

    fn of(id: &str, status: CheckStatus, detail: String) -> Self {
        Self { id: id.to_owned(), status, detail, is_unsigned: false }
    }

    /// Whether it found damage.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.status == CheckStatus::Failed
    }

    /// Whether it failed for a missing signature only.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        self.is_unsigned
    }
}
