//! Forms of stored texts, and values of the old service.

use serde::{Deserialize, Serialize};

use super::blocks::check_json;
use super::{Vector, keyring};
use crate::{Binding, ColumnCipher, ColumnPolicy, LegacyForms, LegacyKey, StoredForm};

#[derive(Deserialize, Serialize)]
struct Form {
    text: String,
    #[serde(default)]
    form: String,
}

#[test]
fn forms_are_as_documented() {
    check_json("forms", |form: &mut Form| form.form = StoredForm::of(&form.text).to_string());
    for vector in super::blocks::read_json::<Vector>("envelopes") {
        assert_eq!(StoredForm::of(&vector.envelope), StoredForm::Sealed);
    }
}

#[derive(Deserialize, Serialize)]
struct Legacy {
    encryption_key: String,
    text: String,
    #[serde(default)]
    form: String,
    /// Absent if the value does not open.
    #[serde(default)]
    secret: Option<String>,
}

#[test]
fn values_of_the_old_service_open_as_documented() {
    check_json("legacy", |value: &mut Legacy| {
        let (keyring, binding) = (keyring(), Binding::new("t", "c", "r", "u"));
        let key = LegacyKey::new(&value.encryption_key.as_str().into()).ok();
        let policy = ColumnPolicy { accepts: LegacyForms::ALL, ..ColumnPolicy::default() };
        let column = ColumnCipher::new(&keyring, key.as_ref(), policy);
        value.form = StoredForm::of(&value.text).to_string();
        let opened = column.and_then(|column| column.open(&value.text, &binding));
        value.secret = opened.ok().map(|(secret, _)| secret.expose().clone());
    });
}
