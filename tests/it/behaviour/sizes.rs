//! Reported sizes match the database, and growth is stored.

use chrono::TimeDelta;
use rylie_db::entities::Env;
use rylie_db::maintenance::{Engine, Sizes, TableSize, growth, keep_sizes, sizes};

use crate::support::sql::Sql;

use super::world;

#[tokio::test]
async fn tables_indexes_rows_and_tenants_are_measured() {
    let world = world().await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    for _ in 0..3 {
        north.request().await.unwrap();
    }
    south.request().await.unwrap();
    Sql::connect(world.url()).await.run("ANALYZE").await;

    let found = sizes(&Engine::new(world.url()).unwrap(), true).await.unwrap();

    let request = found.tables.iter().find(|table| table.name == "Request").unwrap();
    assert_eq!(request.rows, 4);
    assert!(request.table > 0 && request.index > 0 && request.total >= request.table + request.index, "{request:?}");
    assert!(found.database_bytes >= found.tables.iter().map(|table| table.total).sum());
    assert!(found.tables.is_sorted_by(|one, other| one.total >= other.total));
    let tenants = found.tenants.unwrap();
    let requests = |id: String| tenants.iter().find(|tenant| tenant.tenant == id).unwrap().rows["Request"];
    assert_eq!((requests(north.agency.id.to_string()), requests(south.agency.id.to_string())), (3, 1));
}

fn of(bytes: i64) -> Sizes {
    let table = TableSize { name: "Request".to_owned(), total: bytes / 2, ..TableSize::default() };
    Sizes { database_bytes: bytes, tables: vec![table], tenants: None }
}

#[tokio::test]
async fn growth_is_reported_by_what_was_kept() {
    let world = world().await;
    let begin = world.env().now();
    for (day, bytes) in [(0, 1_000), (1, 1_500), (2, 3_000)] {
        keep_sizes(&*world.store(), begin + TimeDelta::days(day), &of(bytes)).await.unwrap();
    }

    let whole = growth(&*world.store(), begin).await.unwrap();
    assert_eq!((whole.bytes, whole.bytes_per_day, whole.history.len()), (2_000, Some(1_000), 3));
    let since = growth(&*world.store(), begin + TimeDelta::days(1)).await.unwrap();
    assert_eq!((since.bytes, since.bytes_per_day), (1_500, Some(1_500)));
}

#[tokio::test]
async fn what_is_old_is_kept_once_a_day_and_not_for_ever() {
    let world = world().await;
    let begin = world.env().now();
    for hour in [0, 1, 2, 24, 25] {
        keep_sizes(&*world.store(), begin + TimeDelta::hours(hour), &of(hour)).await.unwrap();
    }

    keep_sizes(&*world.store(), begin + TimeDelta::days(40), &of(40)).await.unwrap();
    let left: Vec<_> = growth(&*world.store(), begin).await.unwrap().history.iter().map(|size| size.bytes).collect();
    assert_eq!(left, [0, 24, 40], "the first of each day, and the last");

    keep_sizes(&*world.store(), begin + TimeDelta::days(800), &of(800)).await.unwrap();
    let left: Vec<_> = growth(&*world.store(), begin).await.unwrap().history.iter().map(|size| size.bytes).collect();
    assert_eq!(left, [800], "nothing of more than two years ago");
}
