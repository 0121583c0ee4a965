//! Rows of a service's own table are read from the replica, within their tenant.

use std::panic::Location;

use rylie_db::Database;
use rylie_db::own::*;
use rylie_db::prelude::*;
use rylie_testkit::World;

use super::{FOR_EVER, REPLICA, caught_up, replica};
use crate::own::comments::{self, Comments, comment};
use crate::own::downstream::tables;

#[tokio::test]
async fn own_rows_are_read_from_the_replica_within_their_tenant() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let config = world.connect_with_settings(FOR_EVER).await.unwrap().config().clone();
    let config = config.with(comments::schema()).unwrap();
    config.migrations().await.unwrap().deploy(&mut |_| ()).await.unwrap();
    let store = Database::connect(config).await.unwrap().store();
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let mut added = Vec::new();
    for agency in [&ours, &theirs] {
        let request = agency.request().await.unwrap().id;
        let unit = store.tenant(&agency.scope()).await.unwrap();
        added.push(unit.comments().add(&request, None, "a").await.unwrap());
        unit.commit().await.unwrap();
    }
    let position = caught_up(&*store, &ours.scope()).await;

    for options in [UnitOptions::read_only(), UnitOptions::autocommit()] {
        let unit = store.open_tenant(&ours.scope(), options.after(position), Location::caller()).await.unwrap();
        let of = || tables(&*unit).of::<comment::Entity>();
        assert_eq!(of().get(&added[0].id).await.unwrap(), added[0]);
        assert_eq!(of().find(&added[1].id).await.unwrap(), None);
        assert_eq!(of().list(PageRequest::default()).await.unwrap().items, [added[0].clone()]);
        let page = unit.comments().list(&added[0].request_id, KeysetRequest::first(10)).await.unwrap();
        assert_eq!(page.items, [added[0].clone()]);
        assert_eq!(unit.comments().report().await.unwrap().len(), 1);
        assert_eq!(unit.server(), REPLICA);
    }
}
