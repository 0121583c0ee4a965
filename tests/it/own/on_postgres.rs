//! Mounts the behaviours on PostgreSQL.

use rylie_db::own::*;
use rylie_testkit::World;

use crate::own::downstream::{schema, tables, tag};

#[path = "behaviour.rs"]
mod behaviour;

async fn world(schema: Schema) -> World {
    World::postgres_with(schema).await.unwrap()
}

#[tokio::test]
async fn a_lock_in_a_read_only_unit_is_refused_however_the_unit_begins() {
    let world = world(schema()).await;
    let ours = world.agency().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let named = tag::ActiveModel { name: Set("red".to_owned()), ..Default::default() };
    let tag = tables(&*unit).of::<tag::Entity>().add(named).await.unwrap();
    unit.commit().await.unwrap();

    for deferred in [false, true] {
        let (store, scope) = (world.store(), ours.scope());
        let opening = store.tenant(&scope).read_only();
        let unit = if deferred { opening.deferred().await } else { opening.await }.unwrap();

        let locked = tables(&*unit).of::<tag::Entity>().at_once().get_for_update(&tag.id).await;

        assert!(matches!(locked, Err(Error::Invalid { what: "a write", .. })), "deferred: {deferred}: {locked:?}");
    }
}
