//! Rows of the log as the records that are sealed, and statements on the seals.

use rylie_audit::{Commitments, Digest, Record, Salt, What, Who};
use rylie_entities::{Details, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, TryGetable, Value};

use crate::Result;
use crate::tx::Tx;

/// The columns of a record that is sealed or verified, of the log as `a`. Details are read as text, and a time that no reader can hold (as
/// `infinity`) as none, so that no row makes its reader fail.
pub(crate) const RECORD: &str = "a.id, a.\"tenantId\", a.position, a.action, a.resource, a.\"userId\", a.\"onBehalfOf\", a.\"ipAddress\", \
     a.\"userAgent\", a.\"correlationId\", a.\"resourceId\", CAST(a.details AS text) AS details, \
     CASE WHEN a.\"createdAt\" BETWEEN '0001-01-01' AND '9999-12-31' THEN a.\"createdAt\" END AS \"createdAt\"";

/// The salts and commitments of a leaf.
pub(crate) fn commitments(row: &QueryResult) -> Result<Commitments> {
    let salt = |name| -> Result<Option<Salt>> {
        Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| bytes.try_into().ok().map(Salt)))
    };
    let digest = |name| -> Result<Option<Digest>> {
        Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| Digest::from_bytes(&bytes)))
    };
    Ok(Commitments {
        who_salt: salt("who_salt")?,
        what_salt: salt("what_salt")?,
        who: digest("who")?,
        what: digest("what")?,
    })
}

/// The record in the columns of [`RECORD`].
pub(crate) fn record(row: &QueryResult, commitments: &Commitments) -> Result<Record> {
    let who = Who {
        actor: row.try_get("", "userId")?,
        on_behalf_of: row.try_get("", "onBehalfOf")?,
        address: row.try_get("", "ipAddress")?,
        user_agent: row.try_get("", "userAgent")?,
        correlation: row.try_get("", "correlationId")?,
    };
    let details: Option<String> = row.try_get("", "details")?;
    let details = details.map(|text| Details::of_text(text).into_json());
    let what = What { resource_id: row.try_get("", "resourceId")?, details };
    Ok(Record {
        id: row.try_get("", "id")?,
        tenant: row.try_get("", "tenantId")?,
        created_at: row.try_get::<Timestamp>("", "createdAt")?.utc().timestamp_millis(),
        position: row.try_get("", "position")?,
        action: row.try_get("", "action")?,
        resource: row.try_get("", "resource")?,
        who: commitments.who(who),
        what: commitments.what(what),
    })
}

impl Tx {
    /// The rows of a statement of our own on the log and its seals, which concern all tenants.
    pub(crate) async fn audit_rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>> {
        let connection = self.across_tenants()?;
        let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
        Ok(connection.query_all_raw(statement).await?)
    }

    /// A list of texts as a table `list(value)`, bound as one value.
    pub(crate) fn list_of(&self, texts: &[String]) -> Result<(&'static str, Value)> {
        Ok(match self.across_tenants()?.get_database_backend() {
            DbBackend::Sqlite => {
                let json = serde_json::Value::Array(texts.iter().map(|text| text.as_str().into()).collect());
                ("json_each($1) AS list", json.to_string().into())
            }
            _ => ("unnest($1::text[]) AS list(value)", texts.to_vec().into()),
        })
    }
}

/// A count or number of ours in a column, which is never negative.
pub(crate) fn unsigned(row: &QueryResult, name: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64>("", name)?).unwrap_or_default())
}

/// What a column holds, or nothing where it cannot be read: what somebody planted there is found wrong, and is no failure.
pub(crate) fn lenient<T: TryGetable + Default>(row: &QueryResult, name: &str) -> T {
    row.try_get("", name).unwrap_or_default()
}

/// The other way round; no count of ours comes near the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
