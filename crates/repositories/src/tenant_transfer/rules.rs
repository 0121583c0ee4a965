//! What the rows of a tenant's file may say. Whoever wrote the file decides about this tenant, and about nothing beyond it:
//! no right above the tenant, no row that names another tenant's, no tenant that is none.

use std::collections::HashSet;

use rylie_crypto::StoredForm;
use rylie_entities::{TenantId, TenantTable, UserRole};
use sea_orm::ActiveEnum;
use serde_json::Value;

use super::{TenantCounts, TenantRow};

/// Why a row of a tenant's file is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BeyondTenant {
    /// It gives a user the role of a super admin.
    SuperAdmin {
        /// The user's id, as the file has it.
        user: String,
    },
    /// It does something else that reaches beyond the tenant.
    Other(&'static str),
}

/// Looks at the rows of one file, in their order: users come before the rows that name them.
#[derive(Debug)]
pub struct TenantRules<'a> {
    tenant: &'a TenantId,
    agencies: usize,
    users: HashSet<String>,
}

impl<'a> TenantRules<'a> {
    /// The rules for a tenant's file. Nobody brings in the key of events of no tenant.
    pub fn of(tenant: &'a TenantId) -> Result<Self, BeyondTenant> {
        if *tenant == TenantId::platform() {
            return Err(BeyondTenant::Other("names the platform, which is no tenant"));
        }
        Ok(Self { tenant, agencies: 0, users: HashSet::new() })
    }

    /// Refuses a row that reaches beyond the tenant.
    pub fn check(&mut self, table: &str, row: &TenantRow) -> Result<(), BeyondTenant> {
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
            return beyond("names another agency than the file's tenant");
        }
        if text(row, "userId").is_some_and(|user| !self.users.contains(user)) {
            return beyond("names a user who is not in the file");
        }
        if row.iter().any(|(column, value)| is_counter(table, column) && value.as_i64().is_none_or(|number| number < 0))
        {
            return beyond("counts a use that is no number from 0 on, which would get round the quota");
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

/// Takes from a row what signs somebody in, as it would in a file that anybody can write; `false` if nothing is left of it.
/// What was taken is counted.
pub fn without_sign_ins(table: &str, row: &mut TenantRow, left_out: &mut TenantCounts) -> bool {
    if table == "Session" {
        *left_out.entry("Session".to_owned()).or_default() += 1;
        return false;
    }
    // A sealed key takes the keyring to make, and opens for this user alone.
    let planted = |row: &TenantRow| text(row, "apiKey").is_some_and(|key| StoredForm::of(key) != StoredForm::Sealed);
    if table == "User" && planted(row) {
        for column in ["apiKey", "apiKeyIndex", "apiKeyCreatedAt"] {
            row.insert(column.to_owned(), Value::Null);
        }
        *left_out.entry("User.apiKey".to_owned()).or_default() += 1;
    }
    true
}

/// The value of a column, without what would act in another tenant: that an event was counted there keeps it from being
/// counted there again, and the row of a user who has come from there says so.
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
