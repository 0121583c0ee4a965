//! A later version of a service adds to a table that has rows.

use rylie_db::maintenance::Seed;
use rylie_db::own::*;
use rylie_db::{Config, Database};
use rylie_migration::Migrations;
use rylie_testkit::World;

use super::comments::{self, Comments};
use crate::support::sql::Sql;

pub(super) const EXTEND: AlterTable = AlterTable::new("own_m20270101_000001_extend_comment", || {
    TableChange::of("Comment")
        .nullable("due", ColumnKind::Timestamp)
        .nullable("mood", ColumnKind::Labels(&["GLAD", "CALM"]))
        .flag("pinned")
        .amount("cents")
        .unique(&["mood", "cents"])
        .index(&["due"])
});

/// A row of a seed file that does not name the new columns has their defaults.
async fn later_is_seeded(later: &Config, file: &str) {
    let database = Database::connect(later.clone()).await.unwrap();
    database.seed(&Seed::from_json(file).unwrap()).await.unwrap();
    database.close().await;
}

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

    let mut other = Sql::connect(world.url()).await;
    other.run("UPDATE \"Agency\" SET domain = 'north.example'").await;
    let file = format!(
        r#"{{"agencies": [{{"domain": "north.example", "name": "North", "tables": {{"Comment": [{{"id": "seeded", "requestId": "{request}", "authorId": "{}", "body": "b"}}]}}}}]}}"#,
        agency.admin.user.id
    );
    later_is_seeded(&later, &file).await;
    let set = "SELECT CAST(cents AS TEXT) FROM \"Comment\" WHERE id = 'seeded' AND NOT pinned";
    assert_eq!(other.one(set).await, "0");

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

const RELABEL: AlterTable = AlterTable::new("own_m20270101_000002_relabel_mood", || {
    TableChange::of("Comment").labels("mood", &["GLAD", "CALM"], &["CALM", "SAD"])
});

async fn labels_are_replaced(world: World) {
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let id = unit.comments().add(&request, None, "a body").await.unwrap().id;
    unit.commit().await.unwrap();
    let config = world.database().config().clone();
    let later = config.with(comments::schema().migration(&EXTEND).migration(&RELABEL)).unwrap();
    let mut migrations = later.migrations().await.unwrap();
    let mut other = Sql::connect(world.url()).await;
    let set = |mood: &str| format!("UPDATE \"Comment\" SET mood = '{mood}' WHERE id = '{id}'");
    let no_drift = async |migrations: &mut Migrations| {
        let drift = migrations.drift().await.unwrap();
        assert_eq!((drift.differences, drift.extra), (vec![], vec![]));
    };

    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), [EXTEND.name(), RELABEL.name()]);
    no_drift(&mut migrations).await;
    other.run(&set("SAD")).await;
    assert!(other.try_run(&set("GLAD")).await.is_err(), "a removed label is written");

    let error = migrations.down(1, &mut |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("mood"), "{error}");
    no_drift(&mut migrations).await;
    other.run(&set("CALM")).await;
    assert_eq!(migrations.down(1, &mut |_| ()).await.unwrap(), [RELABEL.name()]);
    assert!(other.try_run(&set("SAD")).await.is_err(), "a label of the reverted migration is written");

    other.run(&set("GLAD")).await;
    let error = migrations.deploy(&mut |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("mood"), "{error}");
    other.run(&set("CALM")).await;
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), [RELABEL.name()]);
    no_drift(&mut migrations).await;
}

#[tokio::test]
async fn labels_are_replaced_and_a_row_in_the_way_changes_nothing_on_sqlite() {
    labels_are_replaced(World::sqlite_with(comments::schema()).await.unwrap()).await;
}

#[tokio::test]
async fn labels_are_replaced_and_a_row_in_the_way_changes_nothing_on_postgres() {
    labels_are_replaced(World::postgres_with(comments::schema()).await.unwrap()).await;
}
