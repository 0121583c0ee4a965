//! Rows of the log as the records that are sealed, and statements on the seals.

use rylie_audit::{Digest, Part, Record, Salt, What, Who};
use rylie_entities::AuditLog;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::Result;
use crate::fence::Tx;

/// Who acted, in a record whose part was erased.
pub(crate) const ERASED: &str = "erased";

/// The salts and commitments of a leaf: of a part one of them is there, the salt until it is erased.
pub(crate) struct Commitments {
    pub(crate) who_salt: Option<Salt>,
    pub(crate) what_salt: Option<Salt>,
    pub(crate) who: Option<Digest>,
    pub(crate) what: Option<Digest>,
}

impl Commitments {
    pub(crate) fn fresh(who: Salt, what: Salt) -> Self {
        Self { who_salt: Some(who), what_salt: Some(what), who: None, what: None }
    }

    pub(crate) fn read(row: &QueryResult) -> Result<Self> {
        let salt = |name| -> Result<Option<Salt>> {
            Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| bytes.try_into().ok().map(Salt)))
        };
        let digest = |name| -> Result<Option<Digest>> {
            Ok(row.try_get::<Option<Vec<u8>>>("", name)?.and_then(|bytes| Digest::from_bytes(&bytes)))
        };
        Ok(Self {
            who_salt: salt("who_salt")?,
            what_salt: salt("what_salt")?,
            who: digest("who")?,
            what: digest("what")?,
        })
    }
}

/// The record that a row of the log is. A part counts as erased if nothing of it is there any more.
pub(crate) fn record(row: AuditLog, commitments: &Commitments) -> Record {
    let (actor, address) = (row.user_id, row.ip_address);
    let who = Who {
        actor,
        on_behalf_of: row.on_behalf_of,
        address,
        user_agent: row.user_agent,
        correlation: row.correlation_id,
    };
    let what = What { resource_id: row.resource_id, details: row.details };
    let nobody =
        Who { actor: ERASED.to_owned(), on_behalf_of: None, address: None, user_agent: None, correlation: None };
    let nothing = What { resource_id: None, details: None };
    Record {
        id: row.id.to_string(),
        tenant: row.tenant_id.as_str().to_owned(),
        created_at: row.created_at.utc().timestamp_millis(),
        position: row.position,
        action: row.action,
        resource: row.resource,
        who: part(who, &nobody, commitments.who_salt, commitments.who),
        what: part(what, &nothing, commitments.what_salt, commitments.what),
    }
}

/// Values where a commitment says there are none do not agree with anything that was sealed.
fn part<T: PartialEq>(value: T, erased: &T, salt: Option<Salt>, commitment: Option<Digest>) -> Part<T> {
    match commitment {
        Some(commitment) if value == *erased => Part::Erased(commitment),
        _ => Part::Open { value, salt: salt.unwrap_or(Salt([0; 16])) },
    }
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

/// The other way round; no count of ours comes near the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
