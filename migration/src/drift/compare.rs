//! Compares two snapshots.

mod tables;

use std::collections::BTreeMap;

use super::snapshot::{Definitions, Snapshot};
use super::{Deviation, Drift, fix};
use crate::deploy::coexistence;
use crate::roles::UNIT_ROLES;

const NOTHING: &str = "nothing";

/// Prefixes of the policies of provisioned logins. Provisioning creates them, not a migration.
const OF_LOGINS: [&str; 2] = ["rylie_login_", "rylie_reader_"];

/// Compares in the order in which a database is built, which is also the order for fixes.
pub(super) fn compare(expected: &Snapshot, live: &Snapshot) -> Drift {
    let coexists = live.tables.values().any(|table| table.policies.contains_key(coexistence::POLICY));
    let mut comparison = Comparison { drift: Drift::default(), protected: true, coexists };
    comparison.roles(expected, live);
    comparison.enums(expected, live);
    comparison.named("sequence", &expected.sequences, &live.sequences, fix::sequence);
    comparison.functions(expected, live);
    comparison.tables(expected, live);
    comparison.named("view", &expected.views, &live.views, |_, definition| fix::view(definition));
    comparison.drift
}

struct Comparison {
    drift: Drift,
    /// Whether the units' roles exist.
    protected: bool,
    /// Whether the old service works on the database, too.
    coexists: bool,
}

impl Comparison {
    fn differ(&mut self, object: String, expected: &str, found: &str, fix: Vec<String>) {
        self.note(object, expected, found, fix, None);
    }

    fn note(&mut self, object: String, expected: &str, found: &str, fix: Vec<String>, note: Option<&'static str>) {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        self.drift.differences.push(Deviation { object, expected, found, fix, note });
    }

    fn extra(&mut self, object: String) {
        self.drift.extra.push(object);
    }

    /// Compares roles. If any is missing, there are no policies and grants either, which is reported as one difference.
    fn roles(&mut self, expected: &Snapshot, live: &Snapshot) {
        let missing: Vec<&str> = UNIT_ROLES.into_iter().filter(|role| !live.roles.contains_key(*role)).collect();
        if !missing.is_empty() {
            self.protected = false;
            self.note(
                "roles of the units".to_owned(),
                &UNIT_ROLES.join(", "),
                &format!("no {}", missing.join(", ")),
                Vec::new(),
                Some("run `rylie migrate deploy` as a superuser, or as an owner who may create roles: it creates them, their policies and their rights"),
            );
            return;
        }
        for (role, attributes) in &expected.roles {
            let found = live.roles.get(role).map_or(NOTHING, String::as_str);
            if found != attributes {
                self.differ(format!("role {role}"), attributes, found, vec![format!("ALTER ROLE {role} {attributes}")]);
            }
        }
        for (role, rights) in &expected.schema_grants {
            let found = live.schema_grants.get(role).map_or(NOTHING, String::as_str);
            if found != rights {
                self.differ(
                    format!("rights of {role} on schema public"),
                    rights,
                    found,
                    fix::schema_grant(role, rights),
                );
            }
        }
    }

    fn enums(&mut self, expected: &Snapshot, live: &Snapshot) {
        for (name, labels) in &expected.enums {
            let found = live.enums.get(name);
            if found != Some(labels) {
                let words = found.map_or(NOTHING.to_owned(), |labels| labels.join(", "));
                let (fix, note) = fix::labels(name, labels, found);
                self.note(format!("enum {name}"), &labels.join(", "), &words, fix, note);
            }
        }
        self.unknown("enum ", &expected.enums, &live.enums);
    }

    fn functions(&mut self, expected: &Snapshot, live: &Snapshot) {
        for (name, function) in &expected.functions {
            let object = format!("function {name}");
            let Some(found) = live.functions.get(name) else {
                self.differ(object, &function.definition, NOTHING, fix::function(name, function));
                continue;
            };
            if function.definition != found.definition {
                self.differ(object.clone(), &function.definition, &found.definition, fix::function(name, function));
            }
            if function.for_everybody != found.for_everybody {
                let words = |everybody| if everybody { "executable by PUBLIC" } else { "executable by granted roles" };
                let fix = vec![fix::execute(name, function.for_everybody)];
                self.differ(object, words(function.for_everybody), words(found.for_everybody), fix);
            }
        }
        self.unknown("function ", &expected.functions, &live.functions);
    }

    fn named(
        &mut self,
        kind: &str,
        expected: &Definitions,
        live: &Definitions,
        fix: impl Fn(&str, &str) -> Vec<String>,
    ) {
        for (name, definition) in expected {
            let found = live.get(name).map_or(NOTHING, String::as_str);
            if found != definition {
                self.differ(format!("{kind} {name}"), definition, found, fix(name, definition));
            }
        }
        self.unknown(&format!("{kind} "), expected, live);
    }

    fn unknown<T, U>(&mut self, before: &str, expected: &BTreeMap<String, T>, live: &BTreeMap<String, U>) {
        let unknown = live.keys().filter(|name| !expected.contains_key(*name));
        unknown.for_each(|name| self.extra(format!("{before}{name}")));
    }
}
