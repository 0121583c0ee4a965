//! A later version of a service adds to a table that has rows.

use rylie_db::own::*;
use rylie_testkit::World;

use super::comments::{self, Comments};

pub(super) const EXTEND: AlterTable = AlterTable::new("own_m20270101_000001_extend_comment", || {
    TableChange::of("Comment")
        .nullable("due", ColumnKind::Timestamp)
        .nullable("mood", ColumnKind::Labels(&["GLAD", "CALM"]))
        .flag("pinned")
        .amount("cents")
        .unique(&["mood", "cents"])
        .index(&["due"])
});

async fn is_extended(world: World) {
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let before = unit.comments().add(&request, None, "before").await.unwrap();
    unit.commit().await.unwrap();
    let later = world.database().config().clone().with(comments::schema().migration(&EXTEND)).unwrap();
    let mut migrations = later.migrations().await.unwrap();
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), [EXTEND.name()]);
    let drift = migrations.drift().await.unwrap();
    assert_eq!((drift.differences, drift.extra), (vec![], vec![]));

    let unit = agency.unit().await.unwrap();
    let after = unit.comments().add(&request, None, "after").await.unwrap();
    let page = unit.comments().list(&request, KeysetRequest::first(10)).await.unwrap();
    assert_eq!(page.items, [after, before]);
    unit.commit().await.unwrap();

    assert_eq!(migrations.down(1, &mut |_| ()).await.unwrap(), [EXTEND.name()]);
    let drift = world.database().migrations().await.unwrap().drift().await.unwrap();
    assert_eq!((drift.differences, drift.extra), (vec![], vec![]));
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), [EXTEND.name()]);
}

#[tokio::test]
async fn a_table_is_extended_and_reverted_on_sqlite() {
    is_extended(World::sqlite_with(comments::schema()).await.unwrap()).await;
}

#[tokio::test]
async fn a_table_is_extended_and_reverted_on_postgres() {
    is_extended(World::postgres_with(comments::schema()).await.unwrap()).await;
}
