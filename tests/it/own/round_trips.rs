//! An own row costs the round trips of a request: counted on the wire.

use rylie_db::own::*;
use rylie_db::prelude::{Config, Database, Store, TenantScope};
use rylie_testkit::{Cluster, DelayProxy, World};

use super::downstream::{new_note, note, schema, tables};

#[tokio::test]
async fn an_own_row_is_read_in_one_round_trip_and_written_in_one() {
    let world = World::postgres_with(schema()).await.unwrap();
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let agency = world.agency().await.unwrap();
    let scope: TenantScope = agency.scope();
    let config = Config::builder().set("database_url", world.url_through(&proxy).unwrap()).unwrap();
    let config = config.set("max_connections", 1).unwrap().build().unwrap().with(schema()).unwrap();
    let store = Database::connect(config).await.unwrap().store();
    let unit = agency.unit().await.unwrap();
    let id = tables(&*unit).of::<note::Entity>().add(new_note("read", 1)).await.unwrap().id;
    unit.commit().await.unwrap();
    let of = async |work: &dyn AsyncWork| {
        work.run(&*store, &scope, &id).await;
        work.run(&*store, &scope, &id).await;
        let settled = store.tenant(&scope).read_only().await.unwrap();
        let before = proxy.round_trips() + 1;
        drop(settled);
        work.run(&*store, &scope, &id).await;
        proxy.round_trips() - before
    };

    assert_eq!((of(&Read).await, of(&Autocommit).await, of(&Write).await), (2, 1, 3));
}

#[async_trait]
trait AsyncWork: Sync {
    async fn run(&self, store: &dyn Store, scope: &TenantScope, id: &note::NoteId);
}

struct Read;
struct Autocommit;
struct Write;

#[async_trait]
impl AsyncWork for Read {
    async fn run(&self, store: &dyn Store, scope: &TenantScope, id: &note::NoteId) {
        let unit = store.tenant(scope).read_only().await.unwrap();
        tables(&*unit).of::<note::Entity>().get(id).await.unwrap();
    }
}

#[async_trait]
impl AsyncWork for Autocommit {
    async fn run(&self, store: &dyn Store, scope: &TenantScope, id: &note::NoteId) {
        let unit = store.tenant(scope).read_only().autocommit().await.unwrap();
        tables(&*unit).of::<note::Entity>().get(id).await.unwrap();
    }
}

#[async_trait]
impl AsyncWork for Write {
    async fn run(&self, store: &dyn Store, scope: &TenantScope, _: &note::NoteId) {
        let unit = store.tenant(scope).await.unwrap();
        tables(&*unit).of::<note::Entity>().add(new_note("written", 2)).await.unwrap();
        unit.commit().await.unwrap();
    }
}
