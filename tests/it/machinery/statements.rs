//! Every statement of every call in a tenant unit, recorded on the wire and read by a parser of PostgreSQL's grammar. It
//! names the tenant for each table of a tenant. So the filter never relies on row-level security alone, and an engine
//! that distributes tables by tenant sends each statement to one server.

mod tenancy;

use std::collections::BTreeSet;
use std::sync::Arc;

use rylie_db::Database;
use rylie_db::prelude::Store;
use rylie_testkit::{Cluster, DelayProxy, World};

use super::calls::{Kind, Rows, calls};

/// Faults that are accepted: the call, the fault, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    (
        "PreferencesRepository::save",
        "a conflict on UserPreferences does not contain the tenant",
        "the live schema's unique key is the user alone; a sharded schema adds the tenant to it",
    ),
    (
        "SeoWorksMappingRepository::save_many",
        "a conflict on SEOWorksTaskMapping does not contain the tenant",
        "a task at SEOWorks is unique on the platform in the live schema; a sharded schema adds the tenant to it",
    ),
];

/// A store whose statements are recorded.
struct Recorded {
    world: World,
    proxy: DelayProxy,
    _database: Database,
    store: Arc<dyn Store>,
    rows: Rows,
}

impl Recorded {
    async fn new() -> Self {
        let world = World::postgres().await.unwrap();
        let rows = Rows::fill(&world).await;
        let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
        let url = world.url_through(&proxy).unwrap();
        // With this setting the store prepares each statement again, so that each is on the wire.
        let settings = [("database_url", url.as_str()), ("behind_pooler", "true"), ("max_connections", "1")];
        let database = world.connect_with_settings(&settings).await.unwrap();
        proxy.record_statements();
        Self { world, proxy, store: database.store(), _database: database, rows }
    }

    /// Returns the statements of each call in a unit of this kind, with the name of the call.
    async fn statements(&self, kind: Kind) -> Vec<(String, Vec<String>)> {
        let mut recorded = Vec::new();
        for call in calls().into_iter().filter(|call| call.kind == kind) {
            let unit = kind.open(&*self.store, &self.rows).await.unwrap();
            let _opening = self.proxy.take_statements();
            (call.run)(&unit, &self.rows).await.unwrap_or_else(|error| panic!("{}: {error:?}", call.name()));
            recorded.push((call.name(), self.proxy.take_statements()));
        }
        recorded
    }
}

#[tokio::test]
async fn every_statement_of_a_tenant_unit_names_the_tenant_of_each_of_its_tables() {
    let recorded = Recorded::new().await;
    let (mut used, mut faults, mut read, mut statements) = (BTreeSet::new(), Vec::new(), BTreeSet::new(), 0);
    for (call, sent) in recorded.statements(Kind::Tenant).await {
        assert!(!sent.is_empty(), "{call} sends nothing");
        for sql in sent {
            statements += 1;
            let seen = tenancy::read(&sql).unwrap_or_else(|why| panic!("{call}: {why}: {sql}"));
            read.extend(seen.tables);
            for fault in seen.faults {
                match EXCEPTIONS.iter().find(|(of, accepted, _)| *of == call && *accepted == fault) {
                    Some(exception) => drop(used.insert(exception)),
                    None => faults.push(format!("{call}: {fault}\n    {sql}")),
                }
            }
        }
    }
    println!("{statements} statements on {read:?}");
    assert!(faults.is_empty(), "{}\n{} faults", faults.join("\n"), faults.len());
    let unused: Vec<_> = EXCEPTIONS.iter().filter(|exception| !used.contains(exception)).collect();
    assert!(unused.is_empty(), "exceptions that no statement needs: {unused:?}");
    // A recorder that reads nothing would find nothing.
    assert!(statements > 120 && read.len() >= 11, "{statements} statements on {read:?}");
    assert!(recorded.world.is_postgres());
}
