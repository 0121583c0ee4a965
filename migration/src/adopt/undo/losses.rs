//! Counts the data that only our tables and columns hold, which the undo loses.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::deploy::aside;
use crate::error::{Error, Result};
use crate::history::{journal, record};
use crate::migrations::BASE_TABLES;
use crate::roles::{self, SECRET_COLUMNS};

/// A sealed value, which the old service cannot open (`docs/envelope-format.md`).
const SEALED: &str = "^rylie[0-9]+[.]";

const DOING: &str = "counting what the undo would lose";

/// The data that an undo of an adoption loses.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct UndoLosses {
    /// The number of rows of each of our own tables, which are dropped. Empty tables are omitted, and so are those of the
    /// seals, which are kept aside.
    pub tables: BTreeMap<String, u64>,
    /// The number of soft-deleted rows by table. The old service sees them again.
    pub soft_deleted: BTreeMap<String, u64>,
    /// The number of sealed values by column. The old service cannot read them.
    pub sealed: BTreeMap<String, u64>,
    /// The number of audit records of operators and jobs. The base's foreign key allows users only, so they are kept in
    /// the table `rylie_aside_records`, or in `rylie_operator_events` if the adoption did not reach the tables of seals.
    pub audit_records_kept_aside: u64,
    /// The indexes, constraints and statistics of others on what is dropped, as PostgreSQL describes them. They are dropped
    /// as well.
    pub objects: Vec<String>,
    /// The provisioned logins, which stay and lose their rights here.
    pub logins: Vec<String>,
    /// The provisioned logins for backups, which stay and read every row: their rights are of the whole server.
    pub open_logins: Vec<String>,
}

impl UndoLosses {
    /// Returns whether nothing is lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) async fn read(connection: &mut Connection) -> Result<UndoLosses> {
    let (live, current) = (Catalog::read(connection).await?, Catalog::current());
    let has =
        |table: &str, column: &str| live.tables.get(table).is_some_and(|table| table.columns.contains_key(column));
    let mut losses = UndoLosses::default();
    let records = [record::TABLE, journal::TABLE, "rylie_database"];
    let ours = current.tables.keys().map(String::as_str);
    let lost = |table: &&str| !BASE_TABLES.contains(table) && !records.contains(table) && !aside::keeps(table);
    for table in ours.filter(lost) {
        if live.tables.contains_key(table) {
            add(&mut losses.tables, table, count(connection, table, "true").await?);
        }
    }
    for table in ["Request", "Task"] {
        if has(table, "deleted") {
            add(&mut losses.soft_deleted, table, count(connection, table, "deleted").await?);
        }
    }
    for (table, columns) in SECRET_COLUMNS.iter().filter(|(table, _)| BASE_TABLES.contains(table)) {
        for column in columns.iter().filter(|column| has(table, column)) {
            let sealed = count(connection, table, &format!("\"{column}\" ~ '{SEALED}'")).await?;
            add(&mut losses.sealed, &format!("{table}.{column}"), sealed);
        }
    }
    let no_user = "NOT EXISTS (SELECT FROM \"User\" u WHERE u.id = \"AuditLog\".\"userId\")";
    losses.audit_records_kept_aside = count(connection, "AuditLog", no_user).await?;
    losses.logins = roles::provisioned(connection).await?.into_iter().map(|login| login.login).collect();
    losses.open_logins =
        roles::provisioned_for_backups(connection).await?.into_iter().map(|login| login.login).collect();
    Ok(losses)
}

fn add(to: &mut BTreeMap<String, u64>, name: &str, rows: u64) {
    if rows > 0 {
        to.insert(name.to_owned(), rows);
    }
}

async fn count(connection: &mut Connection, table: &str, condition: &str) -> Result<u64> {
    let sql = format!("SELECT count(*)::text FROM public.\"{table}\" WHERE {condition}");
    let count = connection.value(&sql).await.map_err(Error::doing(DOING))?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}
