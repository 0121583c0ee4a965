//! Pages as JSON: the rows are named for what they are.

use rylie_entities::{
    account, agency, audit_log, ga4_connection, monthly_usage, request, search_console_connection,
    seoworks_task_mapping, session, task, usage_event, user, user_preferences,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::keyset::KeysetPage;
use crate::page::Page;

/// A row with a name in the JSON of a page: `{"requests": [..], "total": 7, "limit": 50, "offset": 0}`.
pub trait PageItem {
    /// The plural name of the rows, in camelCase.
    const PLURAL: &'static str;
}

macro_rules! named {
    ($($row:ident as $plural:literal),+) => {
        $(impl PageItem for $row::Model {
            const PLURAL: &'static str = $plural;
        })+
    };
}
named!(
    account as "accounts",
    agency as "agencies",
    audit_log as "records",
    ga4_connection as "connections",
    monthly_usage as "months",
    request as "requests",
    search_console_connection as "connections",
    seoworks_task_mapping as "mappings",
    session as "sessions",
    task as "tasks",
    usage_event as "events",
    user as "users",
    user_preferences as "preferences"
);

impl<T: PageItem + Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry(T::PLURAL, &self.items)?;
        map.serialize_entry("total", &self.total)?;
        map.serialize_entry("limit", &self.limit)?;
        map.serialize_entry("offset", &self.offset)?;
        map.end()
    }
}

impl<T: PageItem + Serialize> Serialize for KeysetPage<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry(T::PLURAL, &self.items)?;
        map.serialize_entry("next", &self.next)?;
        map.end()
    }
}
