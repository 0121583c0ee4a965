//! A seed file has rows of own tables.

use rylie_db::maintenance::{Seed, Seeded};
use rylie_testkit::World;

use super::downstream::schema;

const FILE: &str = r#"{"agencies": [{"name": "North", "domain": "north.example", "tables": {
    "Tag": [{"id": "tag-red", "name": "red"}],
    "Note": [{"id": "note-a", "state": "OPEN", "rank": 1, "cents": 5, "share": 0.5, "pinned": false, "colours": ["red"], "title": "a"}]
}}]}"#;

async fn is_seeded_once(world: World) {
    let seed = async |file: &str| world.database().seed(&Seed::from_json(file).unwrap()).await;
    assert!(seed(FILE).await.unwrap().created > 2);
    assert_eq!(seed(FILE).await.unwrap(), Seeded { created: 0, updated: 0 });
    let changed = FILE.replace("\"title\": \"a\"", "\"title\": \"b\"").replace("0.5", "0.25");
    assert_eq!(seed(&changed).await.unwrap(), Seeded { created: 0, updated: 1 });
    assert_eq!(seed(&changed).await.unwrap(), Seeded { created: 0, updated: 0 });
    for refused in [
        FILE.replace("\"title\"", "\"secret\": \"plain\", \"title\""),
        FILE.replace("\"title\"", "\"other\": 1, \"title\""),
        FILE.replace("\"Tag\"", "\"Task\""),
        FILE.replace("\"Tag\"", "\"Nothing\""),
        FILE.replace("tag-red", ""),
    ] {
        assert!(seed(&refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn rows_of_own_tables_are_seeded_once_on_sqlite() {
    is_seeded_once(World::sqlite_with(schema()).await.unwrap()).await;
}

#[tokio::test]
async fn rows_of_own_tables_are_seeded_once_on_postgres() {
    is_seeded_once(World::postgres_with(schema()).await.unwrap()).await;
}
