//! Typed ids that an event can name.

use std::fmt::Display;

use rylie_crypto::KeyId;
use rylie_entities::{
    AccountId, AgencyId, Ga4ConnectionId, MonthlyUsageId, RequestId, SearchConsoleConnectionId, SeoWorksTaskMappingId,
    SessionId, SystemSettingsId, TaskId, UserId, UserPreferencesId,
};

/// The typed id of an [`Event`](crate::Event)'s target. Implement it for the ids of other tables.
pub trait AuditTarget: Display {
    /// The resource's name in the log: the table's name, if there is a table.
    const RESOURCE: &'static str;
}

macro_rules! targets {
    ($($id:ident = $resource:literal,)+) => {
        $(impl AuditTarget for $id {
            const RESOURCE: &'static str = $resource;
        })+
    };
}

targets! {
    AccountId = "Account",
    AgencyId = "Agency",
    KeyId = "Key",
    Ga4ConnectionId = "GA4Connection",
    MonthlyUsageId = "MonthlyUsage",
    RequestId = "Request",
    SearchConsoleConnectionId = "SearchConsoleConnection",
    SeoWorksTaskMappingId = "SEOWorksTaskMapping",
    SessionId = "Session",
    SystemSettingsId = "SystemSettings",
    TaskId = "Task",
    UserId = "User",
    UserPreferencesId = "UserPreferences",
}
