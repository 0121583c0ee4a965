//! Audit events.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Action, AuditTarget};

/// An event before it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    action: Action,
    resource: &'static str,
    resource_id: Option<String>,
    changes: Map<String, Value>,
    facts: Map<String, Value>,
}

impl Event {
    /// Creates an event about the platform as a whole, until [`Event::on`] names a row.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { action, resource: "Platform", resource_id: None, changes: Map::new(), facts: Map::new() }
    }

    /// Sets the row by its typed id, which determines the table.
    #[must_use]
    pub fn on<T: AuditTarget>(self, id: &T) -> Self {
        self.on_row(T::RESOURCE, &id.to_string())
    }

    /// Sets a row without a typed id: the table, or another kind of resource, and its key.
    #[must_use]
    pub fn on_row(mut self, resource: &'static str, key: &str) -> Self {
        self.resource = resource;
        self.resource_id = Some(key.to_owned());
        self
    }

    /// Adds the old and the new value of a field. A secret column appears as `[sealed]` or `[token]`; its type ensures
    /// that.
    #[must_use]
    pub fn changed(mut self, field: &'static str, from: impl Serialize, to: impl Serialize) -> Self {
        self.changes.insert(field.to_owned(), json!({ "from": json!(from), "to": json!(to) }));
        self
    }

    /// Adds a fact about the event, such as a count.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: impl Serialize) -> Self {
        self.facts.insert(name.to_owned(), json!(fact));
        self
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(self, reason: impl Serialize) -> Self {
        self.with("reason", reason)
    }

    /// Returns the action.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Returns the table of the target, or `Platform`.
    #[must_use]
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// Returns the key of the target row.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// Returns the log's `details`: the facts, and under `changes` each field with `from` and `to`.
    #[must_use]
    pub fn details(&self) -> Value {
        let mut details = self.facts.clone();
        if !self.changes.is_empty() {
            details.insert("changes".to_owned(), Value::Object(self.changes.clone()));
        }
        Value::Object(details)
    }
}
