//! The tenant-owned tables. Export, import and erasure of a tenant use this list.

/// A table with a tenant key. Its rows are identified by a text column `id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TenantTable {
    /// Its name in the database.
    pub name: &'static str,
    /// Whether the erasure of a tenant deletes none of its rows, and an import adds none.
    pub outlives: bool,
    /// Whether its rows are of use in this database only: they are neither exported nor imported.
    pub stays: bool,
}

const fn table(name: &'static str) -> TenantTable {
    TenantTable { name, outlives: false, stays: false }
}

/// Every table with a tenant key, each after the tables that it references. A test compares the list with the schema.
pub const TENANT_TABLES: &[TenantTable] = &[
    // Triggers keep the numbers of requests, and remove them with these.
    TenantTable { name: "RequestCount", outlives: true, stays: true },
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
    // Evidence: append-only, also for the persons it concerns.
    TenantTable { name: "AuditLog", outlives: true, stays: false },
    // Answers of calls, kept for a day.
    TenantTable { name: "IdempotencyKey", outlives: false, stays: true },
];
