//! The export of a tenant.

use chrono::{DateTime, SecondsFormat};
use rylie_audit::{
    ActorPart, Commitments, Document, Part, Record, TargetPart, TenantBatch, TenantCheck, TenantHead, TenantLeaf,
};
use serde_json::{Value, json};

use super::blocks::{block, check};
use super::{checkpoint, key, place, records};

fn commitments(record: &Record) -> Commitments {
    let mut commitments = Commitments::default();
    match &record.who {
        Part::Open { salt, .. } => commitments.who_salt = Some(*salt),
        Part::Erased(digest) => commitments.who = Some(*digest),
    }
    match &record.what {
        Part::Open { salt, .. } => commitments.what_salt = Some(*salt),
        Part::Erased(digest) => commitments.what = Some(*digest),
    }
    commitments
}

fn row(record: &Record) -> Value {
    let erased =
        ActorPart { actor: "erased".into(), on_behalf_of: None, address: None, user_agent: None, correlation: None };
    let who = if let Part::Open { value, .. } = &record.who { value } else { &erased };
    let nothing = TargetPart { resource_id: None, details: None };
    let what = if let Part::Open { value, .. } = &record.what { value } else { &nothing };
    // The records of the vectors are of version 2.
    let details = what.details.as_ref().map(|details| match details {
        Document::Text(text) | Document::Parsed(text) => text.clone(),
        Document::Value(document) => document.to_string().into(),
    });
    let time = DateTime::from_timestamp_millis(record.created_at).unwrap();
    json!({"table": "AuditLog", "row": {
        "action": record.action,
        "correlationId": who.correlation,
        "createdAt": time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "details": details,
        "id": record.id,
        "ipAddress": who.address,
        "onBehalfOf": who.on_behalf_of,
        "position": record.position,
        "resource": record.resource,
        "resourceId": what.resource_id,
        "tenantId": record.tenant,
        "userAgent": who.user_agent,
        "userId": who.actor,
    }})
}

#[test]
fn an_export_is_written_and_checked_as_documented() {
    let (records, latest) = (records().remove("a1").unwrap(), checkpoint());
    let audit = |kind: &str, json: String| format!("{{\"audit\":{{\"{kind}\":{json}}}}}");
    let batch = TenantBatch { place: place("a1"), checkpoint: latest.to_text() };
    let mut lines = vec![audit("batch", serde_json::to_string(&batch).unwrap())];
    for record in &records {
        let leaf = TenantLeaf {
            record: record.id.clone(),
            leaf: record.leaf(),
            commitments: commitments(record),
            unreadable: record.unreadable.clone(),
        };
        lines.push(audit("leaf", serde_json::to_string(&leaf).unwrap()));
    }
    lines.push(audit("latest", json!(latest.to_text()).to_string()));
    let head = TenantHead {
        tenant: "a1".to_owned(),
        batch: 2,
        total: place("a1").entry.total,
        latest: 2,
        checkpoint: latest.hash(),
        time: "2026-11-24T00:06:00Z".parse().unwrap(),
    };
    lines.push(audit("head", json!(head.sign(&key())).to_string()));
    lines.extend(records.iter().map(|record| row(record).to_string()));
    check("export", |_| lines.join("\n") + "\n");

    assert_eq!(read(&block("export")), (head, records.len() as u64));
}

/// Checks the lines as a verifier does. Returns the head and the number of sealed records.
fn read(lines: &str) -> (TenantHead, u64) {
    let (mut check, mut head) = (TenantCheck::default(), None);
    for line in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let audit = &line["audit"];
        if let Some(batch) = audit.get("batch") {
            check.batch(&serde_json::from_value(batch.clone()).unwrap()).unwrap();
        } else if let Some(leaf) = audit.get("leaf") {
            check.leaf(serde_json::from_value::<TenantLeaf>(leaf.clone()).unwrap().leaf).unwrap();
        } else if let Some(latest) = audit.get("latest") {
            assert_eq!(check.end(latest.as_str().unwrap()).unwrap(), checkpoint());
        } else if let Some(text) = audit.get("head") {
            head = Some(TenantHead::parse(text.as_str().unwrap()).unwrap().0);
        }
    }
    (head.unwrap(), check.total())
}
