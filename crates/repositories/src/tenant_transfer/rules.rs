//! Checks of the rows of a tenant's file. The author of a file controls this tenant only. A row must not grant rights
//! above the tenant, reference rows of another tenant, or belong to a reserved tenant id.

use std::collections::HashSet;

use rylie_crypto::StoredForm;
use rylie_entities::{TenantId, TenantTable, UserRole};
use sea_orm::ActiveEnum;
use serde_json::Value;

use super::{TenantCounts, TenantRow};

/// Why a row of a tenant's file is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BeyondTenant {
    /// It makes a user a super admin.
    SuperAdmin {
        /// The user's id in the file.
        user: String,
    },
    /// It reaches beyond the tenant in another way.
    Other(&'static str),
}

/// Checks the rows of one file in order: users precede the rows that reference them.
#[derive(Debug)]
pub struct TenantRules<'a> {
    tenant: &'a TenantId,
    agencies: usize,
    users: HashSet<String>,
}

impl<'a> TenantRules<'a> {
    /// Creates the rules for a tenant's file. Fails with [`BeyondTenant::Other`] for the reserved key of events without
    /// a tenant.
    pub fn of(tenant: &'a TenantId) -> Result<Self, BeyondTenant> {
        if *tenant == TenantId::platform() {
            return Err(BeyondTenant::Other("names the platform, which is not a tenant"));
        }
        Ok(Self { tenant, agencies: 0, users: HashSet::new() })
    }

    /// Fails with [`BeyondTenant::SuperAdmin`] for a user with that role, and with [`BeyondTenant::Other`] for another
    /// row that reaches beyond the tenant.
    ///
    /// `users` are the columns of a service's own table that name a user.
    pub fn check(&mut self, table: &str, row: &TenantRow, users: &[String]) -> Result<(), BeyondTenant> {
        let beyond = |reason| Err(BeyondTenant::Other(reason));
        match table {
            "Agency" => {
                self.agencies += 1;
                if self.of_one_user() || self.agencies > 1 || text(row, "id") != Some(self.tenant.as_str()) {
                    return beyond("is an agency that is not the file's tenant");
                }
            }
            "User" => {
                let id = text(row, "id").unwrap_or_default();
                if self.of_one_user() && self.tenant.as_str().strip_prefix("user:") != Some(id) {
                    return beyond("is a user who is not the file's tenant");
                }
                refuse_role(row, id)?;
                self.users.insert(id.to_owned());
            }
            _ => {}
        }
        if row.contains_key("agencyId") && text(row, "agencyId") != self.agency() {
            return beyond("names an agency other than the file's tenant");
        }
        let mut named = users.iter().map(String::as_str).chain(["userId"]).filter_map(|column| text(row, column));
        if named.any(|user| !self.users.contains(user)) {
            return beyond("names a user who is not in the file");
        }
        if row.iter().any(|(column, value)| is_counter(table, column) && value.as_i64().is_none_or(|number| number < 0))
        {
            return beyond("has a usage counter below 0 or not a whole number, which would bypass the quota");
        }
        Ok(())
    }

    fn of_one_user(&self) -> bool {
        self.tenant.as_str().starts_with("user:")
    }

    fn agency(&self) -> Option<&str> {
        (!self.of_one_user()).then_some(self.tenant.as_str())
    }
}

/// Removes sign-in data from a row, because an unsealed file may be forged. Returns `false` if nothing of the row
/// remains. Counts what it removed.
pub fn without_sign_ins(table: &str, row: &mut TenantRow, left_out: &mut TenantCounts) -> bool {
    if table == "Session" {
        *left_out.entry("Session".to_owned()).or_default() += 1;
        return false;
    }
    // Sealing a key needs the keyring, and the result opens for this user only.
    let planted = |row: &TenantRow| text(row, "apiKey").is_some_and(|key| StoredForm::of(key) != StoredForm::Sealed);
    if table == "User" && planted(row) {
        for column in ["apiKey", "apiKeyIndex", "apiKeyCreatedAt"] {
            row.insert(column.to_owned(), Value::Null);
        }
        *left_out.entry("User.apiKey".to_owned()).or_default() += 1;
    }
    true
}

/// Returns the value of a column, without a `countedIn` that names another tenant. That tenant could not count the
/// event again. Events of a user who has moved from there contain such a value.
pub(super) fn within<'v>(tenant: &TenantId, table: TenantTable, column: &str, value: &'v Value) -> &'v Value {
    let elsewhere = table.name == "UsageEvent" && column == "countedIn" && value.as_str() != Some(tenant.as_str());
    if elsewhere { &Value::Null } else { value }
}

fn refuse_role(row: &TenantRow, user: &str) -> Result<(), BeyondTenant> {
    let role = text(row, "role").unwrap_or_default();
    if role == UserRole::SuperAdmin.to_value() {
        return Err(BeyondTenant::SuperAdmin { user: user.to_owned() });
    }
    let within = [UserRole::User, UserRole::Admin, UserRole::AgencyAdmin];
    if within.iter().all(|known| role != known.to_value()) {
        return Err(BeyondTenant::Other("gives a user a role that this version does not know"));
    }
    Ok(())
}

fn is_counter(table: &str, column: &str) -> bool {
    match table {
        "User" => column.ends_with("UsedThisPeriod"),
        "MonthlyUsage" => column.ends_with("Used"),
        _ => false,
    }
}

fn text<'a>(row: &'a TenantRow, column: &str) -> Option<&'a str> {
    row.get(column).and_then(Value::as_str)
}
