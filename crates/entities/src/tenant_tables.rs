//! The tables of a tenant, in one list: what exporting, importing and erasing a tenant go by.

/// A table with a tenant's key. Its rows are known by a text column `id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TenantTable {
    /// Its name in the database.
    pub name: &'static str,
    /// Whether its rows outlive the tenant: they are exported, and neither erased nor imported.
    pub outlives: bool,
}

const fn table(name: &'static str) -> TenantTable {
    TenantTable { name, outlives: false }
}

/// Every table with a tenant's key, each after those that it refers to. A test compares the list with the schema.
pub const TENANT_TABLES: &[TenantTable] = &[
    table("Agency"),
    table("User"),
    table("Account"),
    table("Session"),
    table("UserPreferences"),
    table("GA4Connection"),
    table("SearchConsoleConnection"),
    table("MonthlyUsage"),
    table("UsageEvent"),
    table("Request"),
    table("Task"),
    table("SEOWorksTaskMapping"),
    // Evidence: it is added to and never changed, also by those whom it concerns.
    TenantTable { name: "AuditLog", outlives: true },
];
