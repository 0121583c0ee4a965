//! Counts what units cost, by tenant, and which units repeat one statement row by row.
//!
//! The counts are of this process, since it opened its pool. They hold tenant keys and source lines, and no value.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::holders::CallSite;

/// Most tenants that are counted on their own. A further one replaces the one with the least time.
const MOST_TENANTS: usize = 1_000;

/// Most statements of one unit whose repetitions are counted.
const MOST_SHAPES: usize = 64;

/// Repetitions of one statement in one unit from which on it counts as a loop.
const LOOP: u64 = 10;

/// Most loops that are kept.
const MOST_LOOPS: usize = 200;

/// The cost of a tenant's units in this process.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TenantUnits {
    /// The tenant key.
    pub tenant: String,
    /// Units that sent a statement.
    pub units: u64,
    /// Statements.
    pub statements: u64,
    /// Rows that statements returned or changed.
    pub rows: u64,
    /// Time that callers waited for statements.
    pub time: Duration,
}

/// A statement that units repeated, with one row at most each time: probably a loop over keys (N+1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatementLoop {
    /// The source location where these units were opened.
    pub opened_at: CallSite,
    /// The kind of the statement and its table, such as `SELECT User`.
    pub statement: String,
    /// The most repetitions in one unit.
    pub most: u64,
    /// Units that repeated it.
    pub units: u64,
}

/// The counts of a pool. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct UnitCosts(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    tenants: HashMap<Arc<str>, TenantUnits>,
    loops: HashMap<(CallSite, String), StatementLoop>,
}

impl UnitCosts {
    /// Starts the count of a unit. It is added when the value is dropped.
    pub(crate) fn meter(&self, tenant: Option<&str>, at: CallSite) -> UnitMeter {
        UnitMeter {
            costs: self.clone(),
            at,
            unit: Mutex::new(Unit { tenant: tenant.map(Into::into), ..Unit::default() }),
        }
    }

    /// Returns the tenants, the one with the most time first.
    pub(crate) fn tenants(&self) -> Vec<TenantUnits> {
        let mut tenants: Vec<_> = self.counts().tenants.values().cloned().collect();
        tenants.sort_by(|one, other| other.time.cmp(&one.time).then_with(|| one.tenant.cmp(&other.tenant)));
        tenants
    }

    /// Returns the loops, the one with the most repetitions first.
    pub(crate) fn loops(&self) -> Vec<StatementLoop> {
        let mut loops: Vec<_> = self.counts().loops.values().cloned().collect();
        loops.sort_by(|one, other| other.most.cmp(&one.most).then_with(|| one.statement.cmp(&other.statement)));
        loops
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, at: CallSite, unit: &mut Unit) {
        if let Some(tenant) = unit.tenant.take() {
            if self.tenants.len() >= MOST_TENANTS && !self.tenants.contains_key(&tenant) {
                let least = self.tenants.iter().min_by_key(|(_, counted)| counted.time).map(|(key, _)| Arc::clone(key));
                if let Some(least) = least {
                    self.tenants.remove(&least);
                }
            }
            let of_tenant = self
                .tenants
                .entry(Arc::clone(&tenant))
                .or_insert_with(|| TenantUnits { tenant: tenant.to_string(), ..TenantUnits::default() });
            of_tenant.units += 1;
            of_tenant.statements += unit.statements;
            of_tenant.rows += unit.rows;
            of_tenant.time += unit.time;
        }
        for shape in mem::take(&mut unit.shapes) {
            if shape.times < LOOP || shape.rows > shape.times {
                continue;
            }
            let key = (at, shape.statement.clone());
            if self.loops.len() >= MOST_LOOPS && !self.loops.contains_key(&key) {
                continue;
            }
            let found = self.loops.entry(key).or_insert(StatementLoop {
                opened_at: at,
                statement: shape.statement,
                most: 0,
                units: 0,
            });
            found.most = found.most.max(shape.times);
            found.units += 1;
        }
    }
}

/// The count of a running unit.
pub struct UnitMeter {
    costs: UnitCosts,
    at: CallSite,
    unit: Mutex<Unit>,
}

#[derive(Default)]
struct Unit {
    tenant: Option<Arc<str>>,
    statements: u64,
    rows: u64,
    time: Duration,
    shapes: Vec<Shape>,
}

/// A statement of a unit, with its placeholders.
struct Shape {
    hash: u64,
    statement: String,
    times: u64,
    rows: u64,
}

impl UnitMeter {
    /// Sets the tenant of a unit that learns it after its begin.
    pub(crate) fn belongs_to(&self, tenant: &str) {
        self.unit().tenant = Some(tenant.into());
    }

    /// Counts a statement that begins. Returns its number, for [`ended`](Self::ended). `name`: its kind and table.
    pub(crate) fn began(&self, sql: &str, name: impl FnOnce() -> String) -> Option<usize> {
        let mut unit = self.unit();
        unit.statements += 1;
        // Changes of many rows one by one are loops too, but a bulk call may need several statements.
        if !sql.starts_with("SELECT") {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = unit.shapes.iter().position(|shape| shape.hash == hash) {
            unit.shapes[known].times += 1;
            return Some(known);
        }
        if unit.shapes.len() >= MOST_SHAPES {
            return None;
        }
        unit.shapes.push(Shape { hash, statement: name(), times: 1, rows: 0 });
        Some(unit.shapes.len() - 1)
    }

    /// Counts the end of a statement.
    pub(crate) fn ended(&self, number: Option<usize>, rows: u64, took: Duration) {
        let mut unit = self.unit();
        unit.rows += rows;
        unit.time += took;
        if let Some(shape) = number.and_then(|number| unit.shapes.get_mut(number)) {
            shape.rows += rows;
        }
    }

    fn unit(&self) -> MutexGuard<'_, Unit> {
        self.unit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnitMeter {
    fn drop(&mut self) {
        let unit = self.unit.get_mut().unwrap_or_else(PoisonError::into_inner);
        if unit.statements > 0 {
            self.costs.counts().add(self.at, unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn unit(costs: &UnitCosts, tenant: &str, statements: u64, rows: u64) {
        let meter = costs.meter(Some(tenant), Location::caller());
        for _ in 0..statements {
            let number = meter.began("SELECT 1 FROM \"User\" WHERE id = $1", || "SELECT User".to_owned());
            meter.ended(number, rows, Duration::from_millis(2));
        }
    }

    #[test]
    fn units_are_counted_by_tenant() {
        let costs = UnitCosts::default();
        unit(&costs, "a", 1, 5);
        unit(&costs, "b", 3, 1);
        unit(&costs, "a", 1, 0);
        drop(costs.meter(Some("idle"), Location::caller()));
        let counted: Vec<_> =
            costs.tenants().into_iter().map(|of| (of.tenant, of.units, of.statements, of.rows, of.time)).collect();
        let ms = Duration::from_millis;
        assert_eq!(counted, [("b".to_owned(), 1, 3, 3, ms(6)), ("a".to_owned(), 2, 2, 5, ms(4))]);
    }

    #[test]
    fn one_statement_that_reads_row_by_row_is_a_loop() {
        let costs = UnitCosts::default();
        unit(&costs, "a", LOOP - 1, 1);
        unit(&costs, "a", LOOP, 50);
        assert_eq!(costs.loops(), []);
        unit(&costs, "a", LOOP, 1);
        unit(&costs, "b", LOOP + 5, 0);
        let loops = costs.loops();
        assert_eq!((loops.len(), loops[0].most, loops[0].units), (1, LOOP + 5, 2));
        assert_eq!(loops[0].statement, "SELECT User");
    }

    #[test]
    fn the_counts_stay_bounded() {
        let costs = UnitCosts::default();
        unit(&costs, "large", 50, 1);
        for number in 0..MOST_TENANTS + 10 {
            unit(&costs, &number.to_string(), 1, 1);
        }
        assert_eq!(costs.tenants().len(), MOST_TENANTS);
        assert_eq!(costs.tenants()[0].tenant, "large");
    }
}
