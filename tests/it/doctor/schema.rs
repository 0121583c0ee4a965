//! The JSON form against `docs/doctor.schema.json`, by a validator of the parts that the schema uses.

use rylie_testkit::{Cluster, SqliteDatabase};
use serde_json::{Value, json};

use super::{diagnose, fill, seeded};

const SCHEMA: &str = include_str!("../../../docs/doctor.schema.json");

/// Returns what violates the schema.
fn violations(schema: &Value, root: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return violations(&root["$defs"][name], root, value, path);
    }
    let mut wrong = Vec::new();
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the validator does not know {other}"),
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        wrong.push(format!("{path} is no {kinds:?}: {value}"));
        return wrong;
    }
    if let Some(any) = schema["anyOf"].as_array()
        && !any.iter().any(|one| violations(one, root, value, path).is_empty())
    {
        wrong.push(format!("{path} fits no alternative: {value}"));
    }
    if let Some(labels) = schema["enum"].as_array().filter(|labels| !labels.contains(value)) {
        wrong.push(format!("{path} is not one of {labels:?}: {value}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                wrong.push(format!("{path} lacks {name}"));
            }
        }
        for (name, value) in object {
            let place = format!("{path}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (None, Value::Bool(false)) => wrong.push(format!("{place} is not in the schema")),
                (Some(inner), _) | (None, inner) => wrong.extend(violations(inner, root, value, &place)),
            }
        }
    }
    for (number, value) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(violations(&schema["items"], root, value, &format!("{path}[{number}]")));
    }
    wrong
}

#[tokio::test]
async fn the_document_fits_its_schema_on_both_engines() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let postgres = seeded(Cluster::shared().await.unwrap()).await;
    let sqlite = SqliteDatabase::new().unwrap();
    fill(&sqlite.url()).await.unwrap();
    for url in [postgres.url(), sqlite.url()] {
        let mut report = diagnose(&url, &[]).await;
        let earlier = report.clone();
        report.compare(&earlier);
        let wrong = violations(&schema, &schema, &json!(report), "report");
        assert!(wrong.is_empty(), "{wrong:#?}");
        let read: rylie_db::maintenance::DoctorReport = serde_json::from_value(json!(report)).unwrap();
        assert_eq!(read, report, "a later run reads it");
    }
}

#[test]
fn the_validator_refuses_what_the_schema_does_not_allow() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(!violations(&schema, &schema, &json!({}), "report").is_empty());
    assert!(!violations(&schema, &schema, &json!({ "checks": [{ "status": "fine" }] }), "report").is_empty());
}

#[tokio::test]
async fn a_later_run_shows_what_changed() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let earlier = diagnose(&database.url(), &[]).await;
    let mut raw = crate::support::raw::Raw::connect(&database.url()).await;
    raw.run("ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY; DROP INDEX \"Request_pending_idx\"; CREATE TABLE big (id int PRIMARY KEY, t text); INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i").await;
    raw.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''7MB''', current_database()); END $$").await;

    let mut later = diagnose(&database.url(), &[]).await;
    later.compare(&earlier);

    let changes = later.changes.unwrap();
    let has = |changes: &[rylie_db::maintenance::Change], name: &str| changes.iter().any(|change| change.name == name);
    assert!(
        has(&changes.checks, "isolation.row-security") && has(&changes.checks, "application.drift"),
        "{changes:#?}"
    );
    assert!(has(&changes.settings, "work_mem"), "{changes:#?}");
    assert!(has(&changes.sizes, "big"), "{changes:#?}");
    assert!(!changes.other_database);
}
