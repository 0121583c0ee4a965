//! Adds the indexes that lists need, and drops those that only slow down writes.
//!
//! Lists are read one tenant at a time, newest first. Under row-level security an index can use leak-proof operators
//! only. Equality and order of text and time are leak-proof; equality of an enum is not. Hence the columns are "tenant,
//! then list order", and a rare state is in the index's condition.
//!
//! The base's indexes still serve foreign keys: each begins with the key's first column and leaves a handful of rows. A
//! composite key needs no separate index.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// The index's name, and its table and columns.
type Index = (&'static str, &'static str);

/// Redundant indexes of the base: a unique index begins with the same column.
const SUPERFLUOUS: [Index; 5] = [
    ("User_email_idx", "\"User\" (email)"),
    ("User_apiKey_idx", "\"User\" (\"apiKey\")"),
    ("Agency_domain_idx", "\"Agency\" (domain)"),
    ("SEOWorksTaskMapping_seoworksTaskId_idx", "\"SEOWorksTaskMapping\" (\"seoworksTaskId\")"),
    ("MonthlyUsage_userId_idx", "\"MonthlyUsage\" (\"userId\")"),
];

const MISSING: [Index; 19] = [
    // A tenant's lists.
    ("Agency_tenantId_idx", "\"Agency\" (\"tenantId\")"),
    ("User_tenantId_createdAt_idx", "\"User\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    ("Request_tenantId_createdAt_idx", "\"Request\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    ("Task_tenantId_createdAt_idx", "\"Task\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    (
        "SEOWorksTaskMapping_tenantId_createdAt_idx",
        "\"SEOWorksTaskMapping\" (\"tenantId\", \"createdAt\" DESC, id DESC)",
    ),
    ("GA4Connection_tenantId_createdAt_idx", "\"GA4Connection\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    (
        "SearchConsoleConnection_tenantId_createdAt_idx",
        "\"SearchConsoleConnection\" (\"tenantId\", \"createdAt\" DESC, id DESC)",
    ),
    ("UserPreferences_tenantId_createdAt_idx", "\"UserPreferences\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    ("MonthlyUsage_tenantId_year_month_idx", "\"MonthlyUsage\" (\"tenantId\", year DESC, month DESC, id)"),
    ("AuditLog_tenantId_createdAt_idx", "\"AuditLog\" (\"tenantId\", \"createdAt\" DESC, id DESC)"),
    // These tables have no creation time; they are read by tenant for exports and erasures.
    ("Account_tenantId_idx", "\"Account\" (\"tenantId\", id)"),
    ("Session_tenantId_idx", "\"Session\" (\"tenantId\", id)"),
    // Every dashboard lists open requests, which are few among the finished ones. COMPLETED is common, so the list
    // order finds it quickly. CANCELLED is rare too, but its list may be slow.
    ("Request_pending_idx", "\"Request\" (\"tenantId\", \"createdAt\" DESC, id DESC) WHERE status = 'PENDING'"),
    ("Request_in_progress_idx", "\"Request\" (\"tenantId\", \"createdAt\" DESC, id DESC) WHERE status = 'IN_PROGRESS'"),
    // The list of a user who sees only their own requests.
    ("Request_userId_createdAt_idx", "\"Request\" (\"userId\", \"createdAt\" DESC, id DESC)"),
    // A user's tasks by creation time; the base's index is by state.
    ("Task_userId_createdAt_idx", "\"Task\" (\"userId\", \"createdAt\" DESC, id DESC)"),
    // Users type their addresses in any case, and the old service stored them in any case.
    ("User_email_lower_idx", "\"User\" (lower(email))"),
    // Expired rows are removed by time, across tenants.
    ("Session_expires_idx", "\"Session\" (expires)"),
    ("VerificationToken_expires_idx", "\"VerificationToken\" (expires)"),
];

pub(crate) struct ReplaceIndexes;

impl Migration for ReplaceIndexes {
    fn name(&self) -> &'static str {
        "m20261123_000006_replace_indexes"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        swap(engine, &SUPERFLUOUS, &MISSING)
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        swap(engine, &MISSING, &SUPERFLUOUS)
    }
}

/// Creates the new indexes first, so that no read lacks an index in the meantime.
fn swap(engine: Engine, old: &[Index], new: &[Index]) -> Vec<Step> {
    let create = new.iter().map(|(name, on)| Step::index(engine, name, on));
    create.chain(old.iter().map(|(name, _)| Step::drop_index(engine, name))).collect()
}
