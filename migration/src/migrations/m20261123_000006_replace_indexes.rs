//! The indexes that lists need, and an end to those that only slow writes down.
//!
//! The lists are read one tenant at a time, newest first, and row-level security lets only leak-proof operators use
//! an index: equality and order of text and time are, equality of an enum is not. Hence "tenant, then list order"
//! with the state, where it is rare, in the index's condition. Foreign keys stay served by the base's indexes, each of
//! which begins with the key's first column and leaves a handful of rows; a composite key needs no index of its own.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Name, and what it is on.
type Index = (&'static str, &'static str);

/// What the base has twice: a unique index begins with the same column.
const SUPERFLUOUS: [Index; 5] = [
    ("User_email_idx", "\"User\" (email)"),
    ("User_apiKey_idx", "\"User\" (\"apiKey\")"),
    ("Agency_domain_idx", "\"Agency\" (domain)"),
    ("SEOWorksTaskMapping_seoworksTaskId_idx", "\"SEOWorksTaskMapping\" (\"seoworksTaskId\")"),
    ("MonthlyUsage_userId_idx", "\"MonthlyUsage\" (\"userId\")"),
];

const MISSING: [Index; 19] = [
    // The lists of a tenant.
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
    // These have no time of creation; a tenant's are read when it is exported or erased.
    ("Account_tenantId_idx", "\"Account\" (\"tenantId\", id)"),
    ("Session_tenantId_idx", "\"Session\" (\"tenantId\", id)"),
    // Open requests are few among the finished ones, and what every dashboard asks for. COMPLETED is common, so the list
    // order finds it at once; CANCELLED is rare too, but nobody waits for that list.
    ("Request_pending_idx", "\"Request\" (\"tenantId\", \"createdAt\" DESC, id DESC) WHERE status = 'PENDING'"),
    ("Request_in_progress_idx", "\"Request\" (\"tenantId\", \"createdAt\" DESC, id DESC) WHERE status = 'IN_PROGRESS'"),
    // The list of a user who sees only what is hers.
    ("Request_userId_createdAt_idx", "\"Request\" (\"userId\", \"createdAt\" DESC, id DESC)"),
    // A user's tasks by when they were made, likewise; the base's are by state.
    ("Task_userId_createdAt_idx", "\"Task\" (\"userId\", \"createdAt\" DESC, id DESC)"),
    // Who signs in types the address in any case, and the old service stored it in any case.
    ("User_email_lower_idx", "\"User\" (lower(email))"),
    // What has run out is swept by time, across tenants.
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

/// The new ones first, so that no read is without an index meanwhile.
fn swap(engine: Engine, old: &[Index], new: &[Index]) -> Vec<Step> {
    let create = new.iter().map(|(name, on)| Step::index(engine, name, on));
    create.chain(old.iter().map(|(name, _)| Step::drop_index(engine, name))).collect()
}
