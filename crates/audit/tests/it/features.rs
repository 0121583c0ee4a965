//! Features of `serde_json` that the hashes of version 1 depend on. Cargo unifies features over the whole build.

use serde_json::Value;

#[test]
fn serde_json_is_built_without_float_roundtrip() {
    let number: f64 = serde_json::from_str("7.038531e-26").unwrap();

    assert_eq!(number.to_bits(), 0x3ab5_c87f_afff_ffff, "the feature `float_roundtrip` reads another double");
}

#[test]
fn serde_json_is_built_with_raw_value() {
    let document = serde_json::from_str::<Value>(r#"{"$serde_json::private::RawValue": "[1]"}"#).unwrap();

    assert_eq!(document, serde_json::json!([1]), "without the feature `raw_value` it is an object");
}

#[test]
fn serde_json_is_built_without_arbitrary_precision() {
    let number: Value = serde_json::from_str("1.0000000000000000000001").unwrap();

    assert_eq!(number.to_string(), "1.0", "the feature `arbitrary_precision` keeps all digits");
}
