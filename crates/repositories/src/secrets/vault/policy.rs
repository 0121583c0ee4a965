//! The policy of a secret column: the form of new values, and the accepted old forms.

use std::collections::BTreeMap;

use rylie_crypto::{ColumnPolicy, LegacyForms, Padding, Writes};

use crate::SecretColumn;

/// The form of new values of a column.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NewValues {
    /// [`Compat`](Self::Compat) while the database is shared with the old service, else [`Sealed`](Self::Sealed).
    #[default]
    Auto,
    /// Sealed by the keyring's active key. The old service cannot read it.
    Sealed,
    /// The form that the old service reads in this column: see [`SecretColumn::compat`].
    Compat,
}

/// The policy of one column. By default every old form is accepted, and new values follow [`NewValues::Auto`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SecretPolicy {
    /// The legacy forms that still open. Sealed values always open.
    pub accepts: LegacyForms,
    /// The form of new values.
    pub writes: NewValues,
    /// How much of a secret's length the sealed value hides.
    pub padding: Padding,
}

impl Default for SecretPolicy {
    fn default() -> Self {
        Self { accepts: LegacyForms::ALL, writes: NewValues::Auto, padding: Padding::None }
    }
}

impl SecretPolicy {
    /// Resolves the policy of `column`. `shared` states whether the old service uses the same database.
    pub(super) fn resolve(self, column: SecretColumn, shared: bool) -> ColumnPolicy {
        // The old service knows no own column: there is no old form, and none for it to read.
        if matches!(column, SecretColumn::Own(_)) {
            return ColumnPolicy { accepts: LegacyForms::NONE, writes: Writes::Sealed(self.padding) };
        }
        let compat = match self.writes {
            NewValues::Auto => shared,
            NewValues::Sealed => false,
            NewValues::Compat => true,
        };
        let writes = if compat { column.compat() } else { Writes::Sealed(self.padding) };
        ColumnPolicy { accepts: self.accepts, writes }
    }
}

/// The policy of each secret column. Columns without one have the default policy.
#[derive(Clone, Debug, Default)]
pub struct SecretPolicies(BTreeMap<SecretColumn, SecretPolicy>);

impl SecretPolicies {
    /// Sets the policy of a column.
    pub fn set(&mut self, column: SecretColumn, policy: SecretPolicy) {
        self.0.insert(column, policy);
    }

    /// Returns the policy of a column.
    #[must_use]
    pub fn of(&self, column: SecretColumn) -> SecretPolicy {
        self.0.get(&column).copied().unwrap_or_default()
    }
}
