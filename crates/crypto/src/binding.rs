//! The row to which a sealed value is bound.

/// The location to which a sealed value is bound. The value opens at this location only.
///
/// Names are as the database has them. All four are authenticated with the value. If the owner changes, call
/// [`Keyring::rebind`](crate::Keyring::rebind) in the same transaction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Binding<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The column's name.
    pub column: &'a str,
    /// The row's primary key.
    pub row: &'a str,
    /// The row's owner: the id of the user to whom the secret belongs.
    pub owner: &'a str,
}

impl<'a> Binding<'a> {
    /// Creates a binding. The parameters are in the order in which they are authenticated.
    #[must_use]
    pub const fn new(table: &'a str, column: &'a str, row: &'a str, owner: &'a str) -> Self {
        Self { table, column, row, owner }
    }

    /// Returns the associated data of an envelope with this binding.
    pub(crate) fn associated_data(&self, version: &str, key_id: &str) -> Vec<u8> {
        let Self { table, column, row, owner } = *self;
        length_prefixed(&[version, key_id, table, column, row, owner])
    }
}

/// Writes each field after its length in bytes (u64, big-endian), so that distinct lists give distinct bytes.
pub(crate) fn length_prefixed(fields: &[&str]) -> Vec<u8> {
    let length = fields.iter().map(|field| 8 + field.len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_letter_that_moves_to_the_next_field_changes_the_bytes() {
        assert_ne!(length_prefixed(&["ab", "c"]), length_prefixed(&["a", "bc"]));
        assert_ne!(length_prefixed(&["a", ""]), length_prefixed(&["a"]));
    }

    proptest! {
        #[test]
        fn different_lists_have_different_bytes(
            one in prop::collection::vec("[ab\u{0}]{0,3}", 0..4),
            two in prop::collection::vec("[ab\u{0}]{0,3}", 0..4),
        ) {
            let [left, right] = [&one, &two].map(|list| {
                length_prefixed(&list.iter().map(String::as_str).collect::<Vec<_>>())
            });
            prop_assert_eq!(one == two, left == right);
        }
    }
}
