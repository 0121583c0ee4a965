//! Creates signed-in users, and turns an identity unit into the unit of the user's tenant.

use std::str::FromStr;

use rylie_audit::Origin;
use rylie_connection::{
    CallSite, Pool, SingleStatement, UnitOptions, meter, read_single_statement, signs_in_by_single_statement,
};
use rylie_entities::{AgencyId, SessionId, Timestamp, Token, User, UserId, UserRole};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::error::{Error, Result};
use crate::filter::{Caller, Tx, UnitKind};
use crate::scope::{SignedInUser, TenantScope};

const SESSION: &str =
    r#""Session" s JOIN "User" u ON u."id" = s."userId" WHERE s."sessionToken" = $1 AND s."expires" > $2"#;

/// Returns the user of a session's token and the session's id in one round trip, without a unit. The token is a bound
/// value. Returns an outer `None` where that is not possible.
pub(crate) async fn session_user(
    pool: &Pool,
    token: &Token,
    now: Timestamp,
    at: CallSite,
) -> Result<Option<Option<(SignedInUser, SessionId)>>> {
    let from = match signs_in_by_single_statement(pool, UnitOptions::read_only()) {
        Some(SingleStatement::ThroughFunction) => r#"u."session" FROM public.rylie_session($1, $2) u"#.to_owned(),
        Some(SingleStatement::Plainly) if pool.engine() == DbBackend::Postgres => format!(r#"s."id" FROM {SESSION}"#),
        _ => return Ok(None),
    };
    if !token.can_be_stored() {
        return Ok(Some(None));
    }
    let sql = format!(r#"SELECT u."id", CAST(u."role" AS text) AS "role", u."agencyId", u."tenantId", {from}"#);
    let values: Vec<Value> = vec![token.into(), now.into()];
    let statement = Statement::from_sql_and_values(pool.engine(), sql, values);
    let rows = read_single_statement(pool, "Session", &statement, at, &meter(pool, None, at)).await?;
    let Some(row) = rows.first() else { return Ok(Some(None)) };
    Ok(Some(Some((signed_in(row)?, row.try_get_by_index(4)?))))
}

impl Tx {
    /// Returns the user as signed in; the caller has checked the credentials. Fails with [`Error::Forbidden`] in a
    /// tenant or operations unit.
    pub fn sign_in(&self, user: &User) -> Result<SignedInUser> {
        match self.kind() {
            UnitKind::Identity | UnitKind::Platform => {
                Ok(SignedInUser::new(user.id.clone(), user.role, user.agency_id.clone()))
            }
            UnitKind::Tenant(_) | UnitKind::Operations => Err(self.refuse("sign a user in")),
        }
    }

    /// Signs in by a session's token, and turns this identity unit into a unit of the user's tenant. One statement
    /// reads the user, and on PostgreSQL assumes the tenant role. Fails with [`Error::NotSignedIn`] if the token is
    /// unknown or the session has expired at `now`. Fails with [`Error::Forbidden`] in any unit but an identity unit.
    pub async fn into_tenant_of_session(self, token: &Token, now: Timestamp, origin: Origin) -> Result<Self> {
        let values: Vec<Value> = vec![token.into(), now.into()];
        let assume =
            if self.has_row_level_security() { ", set_config('rylie.tenant', found.\"tenantId\", true)" } else { "" };
        let role = if self.has_row_level_security() { ", set_config('role', 'rylie_tenant', true)" } else { "" };
        // The subquery is read under the identity role: the role changes only when its row is returned. `OFFSET 0` and
        // `LIMIT 1` keep the planner from moving the functions into it.
        let sql = format!(
            r#"SELECT found.*{assume}{role} FROM (SELECT u."id", CAST(u."role" AS text) AS "role", u."agencyId", u."tenantId" FROM {SESSION} LIMIT 1 OFFSET 0) found"#
        );
        let transaction = self.identity_only()?;
        if !token.can_be_stored() {
            return Err(Error::NotSignedIn);
        }
        let statement = Statement::from_sql_and_values(self.engine(), sql, values);
        let row = transaction.query_one_raw(statement).await?.ok_or(Error::NotSignedIn)?;
        Ok(self.into_tenant(&signed_in(&row)?, origin))
    }

    /// Turns this identity unit into a unit of the user's tenant. One statement on PostgreSQL, none on SQLite. Fails
    /// with [`Error::Forbidden`] in any unit but an identity unit.
    pub async fn into_tenant_of(self, user: &SignedInUser, origin: Origin) -> Result<Self> {
        let transaction = self.identity_only()?;
        if self.has_row_level_security() {
            let sql = "SELECT set_config('rylie.tenant', $1, true), set_config('role', 'rylie_tenant', true)";
            let values = vec![user.tenant().into()];
            transaction.query_one_raw(Statement::from_sql_and_values(self.engine(), sql, values)).await?;
        }
        Ok(self.into_tenant(user, origin))
    }

    fn identity_only(&self) -> Result<&rylie_connection::Transaction> {
        match self.kind() {
            UnitKind::Identity => self.begun(),
            UnitKind::Tenant(_) | UnitKind::Platform | UnitKind::Operations => Err(self.refuse("sign a user in")),
        }
    }

    fn into_tenant(mut self, user: &SignedInUser, origin: Origin) -> Self {
        let scope = TenantScope::of(user, origin);
        if let Ok(transaction) = self.begun() {
            transaction.belongs_to(scope.tenant().as_str());
        }
        self.caller = Caller { actor: scope.actor(), origin: scope.origin().clone() };
        self.kind = UnitKind::Tenant(scope);
        self
    }

    fn has_row_level_security(&self) -> bool {
        self.unit_context.pool.has_row_level_security()
    }
}

/// Reads the user, and checks that the stored tenant is the user's: the database has assumed that one.
fn signed_in(row: &QueryResult) -> Result<SignedInUser> {
    let id: UserId = row.try_get_by_index(0)?;
    let role = UserRole::from_str(&row.try_get_by_index::<String>(1)?)?;
    let agency: Option<AgencyId> = row.try_get_by_index(2)?;
    let user = SignedInUser::new(id, role, agency);
    if row.try_get_by_index::<String>(3)? != user.tenant().as_str() {
        return Err(Error::Internal {
            what: "the user",
            reason: "the stored tenant is not the user's; run `rylie drift`",
        });
    }
    Ok(user)
}
