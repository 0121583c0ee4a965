//! Keeps the rights on our own tables, sequences and functions as the migrations grant them.
//!
//! Default privileges, which the operations guide sets for the old service's logins, apply to everything that the owner
//! creates. Each deploy therefore revokes rights that no migration granted, from every role but the owner. Rights on
//! the old service's tables stay unchanged.

use std::sync::LazyLock;

use rylie_driver::{literal, quoted};
use serde::Deserialize;

use crate::commas::at_commas;
use crate::connection::Connection;
use crate::deploy::{aside, coexistence};
use crate::drift::Snapshot;
use crate::error::Result;
use crate::migrations::{BASE_TABLES, base_tables_list};
use crate::roles::{self, Provisioned};
use crate::step::Engine;

const SQL: &str = include_str!("grants/grants.sql");

static EXPECTED: LazyLock<Snapshot> = LazyLock::new(Snapshot::expected);

/// Tables that the runner creates, so that the snapshot omits them.
const RECORDS: [&str; 2] = ["seaql_migrations", "rylie_operator_events"];

/// The role for people who verify the audit log, and the tables that it reads.
const AUDITOR: (&str, [&str; 6]) = (
    "rylie_auditor",
    [
        "AuditLog",
        "rylie_audit_batch",
        "rylie_audit_leaf",
        "rylie_audit_pending",
        "rylie_audit_tenant",
        "rylie_database",
    ],
);

/// Functions that only the sealer's role may call.
const OF_SEALER: [&str; 3] = [
    "rylie_audit_erase(text,text,bytea)",
    "rylie_audit_lock_sealing()",
    "rylie_audit_remove_batch(bigint,timestamp without time zone)",
];

/// The rights of a role on an object.
#[derive(Debug, Deserialize)]
struct Found {
    kind: String,
    name: String,
    base: bool,
    role: String,
    alterable: bool,
    rights: Vec<String>,
}

/// A role whose rights on an object differ from those that the migrations grant.
#[derive(Clone, Debug)]
pub(crate) struct Unexpected {
    kind: String,
    name: String,
    pub(crate) role: String,
    /// The granted rights; empty for none.
    expected: Vec<String>,
    found: Vec<String>,
    base: bool,
    alterable: bool,
}

impl Unexpected {
    /// Returns the name for the drift report: `rights of ROLE on table NAME`.
    pub(crate) fn object(&self) -> String {
        format!("rights of {} on {} {}", self.role, self.kind, self.name)
    }

    pub(crate) fn is_everybodys_function(&self) -> bool {
        self.kind == "function" && self.role == "PUBLIC"
    }

    pub(crate) fn expected(&self) -> String {
        words(&self.expected)
    }

    pub(crate) fn found(&self) -> String {
        words(&self.found)
    }

    /// Returns the finding as text: `ROLE has RIGHTS on table NAME, expected RIGHTS`.
    pub(crate) fn in_words(&self) -> String {
        format!("{} has {} on {} {}, expected {}", self.role, self.found(), self.kind, self.name, self.expected())
    }

    /// Returns the statements that leave exactly the expected rights, in one transaction.
    pub(crate) fn fix(&self) -> String {
        let role = if self.role == "PUBLIC" { "PUBLIC".to_owned() } else { quoted(&self.role) };
        let name = if self.kind == "function" {
            format!("public.{}", self.name)
        } else {
            format!("public.{}", quoted(&self.name))
        };
        let on = format!("{} {name}", self.kind.to_uppercase());
        // `CASCADE` also revokes what the role has granted to others.
        let mut changes = vec![format!("REVOKE ALL ON {on} FROM {role} CASCADE")];
        if !self.expected.is_empty() {
            changes.push(format!("GRANT {} ON {on} TO {role}", self.expected.join(", ")));
        }
        format!("BEGIN; {}; COMMIT", changes.join("; "))
    }
}

/// Revokes rights that no migration granted. Returns whether anything changed, after which provisioned logins need
/// their grants again. Call it under the migration lock.
pub(crate) async fn settle(connection: &mut Connection) -> Result<bool> {
    let mut changed = false;
    let unexpected = unexpected(connection).await?;
    for right in unexpected.iter().filter(|right| !right.base) {
        if !right.alterable {
            tracing::warn!(
                object = right.object(),
                found = right.found(),
                "a right that no migration grants stays: the object has another owner"
            );
            continue;
        }
        let doing = "revoking rights on our own tables that no migration grants";
        connection.at_once(&right.fix(), doing).await?;
        changed = true;
    }
    Ok(changed)
}

/// Returns whether there are rights to revoke, and this login may do so.
pub(crate) async fn can_be_settled(connection: &mut Connection) -> Result<bool> {
    let mine = "SELECT 'yes' FROM pg_class WHERE oid = to_regclass('public.rylie_database') AND pg_has_role(relowner, 'MEMBER')";
    if connection.ask_postgres(mine, "finding the owner of the tables").await?.is_none() {
        return Ok(false);
    }
    Ok(unexpected(connection).await?.iter().any(|right| !right.base))
}

/// Returns each role except the owner with more rights than the migrations grant on our objects. On tables of the base,
/// only our own roles count. Reads only.
pub(crate) async fn unexpected(connection: &mut Connection) -> Result<Vec<Unexpected>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let found: Vec<Found> = connection.document(&sql(), "reading the rights on our own tables").await?;
    let provisioned =
        if roles::may_read_provisioned(connection).await? { Some(roles::provisioned(connection).await?) } else { None };
    Ok(found.into_iter().filter_map(|found| check(found, provisioned.as_deref())).collect())
}

fn sql() -> String {
    let names = |names: Vec<&str>| names.into_iter().map(literal).collect::<Vec<_>>().join(", ");
    let tables = EXPECTED
        .tables
        .keys()
        .map(String::as_str)
        .filter(|table| !BASE_TABLES.contains(table))
        .chain(RECORDS)
        .chain(aside::COPY_NAMES);
    let functions = EXPECTED.functions.keys().map(String::as_str).chain([coexistence::FUNCTION]);
    SQL.replace("$tables", &names(tables.collect()))
        .replace("$sequences", &names(EXPECTED.sequences.keys().map(String::as_str).collect()))
        .replace("$functions", &names(functions.collect()))
        .replace("$base", &base_tables_list())
}

fn check(found: Found, provisioned: Option<&[Provisioned]>) -> Option<Unexpected> {
    let expected = expected(&found, provisioned);
    let missing_for_everybody = found.kind == "function" && found.role == "PUBLIC" && found.rights != expected;
    let more = found.rights.iter().any(|right| !expected.contains(right));
    if !more && !missing_for_everybody || is_readers(&found, provisioned) {
        return None;
    }
    let Found { kind, name, base, role, alterable, rights } = found;
    Some(Unexpected { kind, name, role, expected, found: rights, base, alterable })
}

/// Returns the rights that the migrations grant to a role on an object.
fn expected(found: &Found, provisioned: Option<&[Provisioned]>) -> Vec<String> {
    let (name, role) = (found.name.as_str(), found.role.as_str());
    if found.kind == "function" {
        let everybody = name == coexistence::FUNCTION
            || EXPECTED.functions.get(name).is_some_and(|function| function.for_everybody);
        let may = if role == "PUBLIC" { everybody } else { role == "rylie_sealer" && OF_SEALER.contains(&name) };
        return if may { vec!["EXECUTE".to_owned()] } else { Vec::new() };
    }
    let of_table = EXPECTED.tables.get(name).and_then(|table| table.grants.get(role));
    let reads = role == AUDITOR.0 && AUDITOR.1.contains(&name)
        || roles::RECORDS.contains(&name) && is_provisioned(role, provisioned);
    match of_table {
        Some(rights) if found.kind == "table" => at_commas(rights).into_iter().map(str::to_owned).collect(),
        _ if reads && found.kind == "table" => vec!["SELECT".to_owned()],
        _ => Vec::new(),
    }
}

/// Returns whether the role is a provisioned login. If the record of logins is unreadable, assumes that it is.
fn is_provisioned(role: &str, provisioned: Option<&[Provisioned]>) -> bool {
    provisioned.is_none_or(|logins| logins.iter().any(|login| login.login == role))
}

/// Returns whether these are a provisioned reader's columns, which each deploy grants again.
fn is_readers(found: &Found, provisioned: Option<&[Provisioned]>) -> bool {
    let reader = provisioned
        .is_none_or(|logins| logins.iter().any(|login| login.login == found.role && login.kind == "readonly"));
    let reads = |right: &String| {
        right.starts_with("SELECT (") && right.ends_with(')')
            || right == "SELECT" && roles::RECORDS.contains(&found.name.as_str())
    };
    reader && found.kind == "table" && found.name != "rylie_logins" && found.rights.iter().all(reads)
}

fn words(rights: &[String]) -> String {
    if rights.is_empty() { "nothing".to_owned() } else { rights.join(", ") }
}
