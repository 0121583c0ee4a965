//! The service on real databases.

use std::collections::BTreeSet;
use std::sync::Arc;

use downstream::keyword::{self, Intent};
use downstream::{Keywords, NewKeyword, keyword_label, label, lines, ranking, schema};
use rylie_db::own::*;
use rylie_testkit::attacks::Attacks;
use rylie_testkit::own::{OwnRows, assert_isolated};
use rylie_testkit::{TestAgency, World};

async fn worlds() -> [World; 2] {
    [World::sqlite_with(schema()).await.unwrap(), World::postgres_with(schema()).await.unwrap()]
}

fn new(request: &RequestId, text: &str) -> NewKeyword {
    let (request, text) = (request.clone(), text.to_owned());
    NewKeyword { request, parent: None, intent: Intent::Learn, text, note: None }
}

#[tokio::test]
async fn each_table_is_isolated() {
    for world in worlds().await {
        assert_isolated::<keyword::Entity>(&world).await;
        assert_isolated::<label::Entity>(&world).await;
        assert_isolated::<keyword_label::Entity>(&world).await;
        assert_isolated::<ranking::Entity>(&world).await;
    }
}

#[tokio::test]
async fn keywords_are_a_tree_with_labels_and_sealed_notes() {
    for world in worlds().await {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        let (request, hidden) = (ours.request().await.unwrap().id, theirs.request().await.unwrap().id);
        let unit = ours.unit().await.unwrap();
        let note = Secret::from("cheap");
        let shoes =
            unit.keywords().add(NewKeyword { note: Some(note.clone()), ..new(&request, "shoes") }).await.unwrap();
        let red = NewKeyword { parent: Some(shoes.id.clone()), ..new(&request, "red shoes") };
        let red = unit.keywords().add(red).await.unwrap();
        assert_eq!(unit.keywords().note(&shoes.id).await.unwrap(), Some(note));
        assert_eq!(
            unit.keywords().parents(&[red.clone(), shoes.clone()]).await.unwrap(),
            [Some(shoes.clone()), None]
        );
        for name in ["colour", "season", "colour"] {
            unit.keywords().label(&red.id, name).await.unwrap();
        }
        unit.keywords().label(&shoes.id, "season").await.unwrap();
        let lines = lines(&*unit, &request).await.unwrap();
        assert_eq!(lines, ["red shoes: colour, season", "shoes: season"]);
        let bought = unit.keywords().set_intent(&red.id, Intent::Buy).await.unwrap();
        assert_eq!((bought.intent, bought.former_intent), (Intent::Buy, Some(Intent::Learn)));
        let found = unit.keywords().search("shoes", PageRequest::default()).await.unwrap();
        assert_eq!((found.total, found.items.len()), (2, 2));
        unit.commit().await.unwrap();

        let unit = theirs.unit().await.unwrap();
        assert!(matches!(unit.keywords().note(&shoes.id).await, Err(Error::NotFound { .. })));
        let below = NewKeyword { parent: Some(shoes.id.clone()), ..new(&hidden, "below") };
        assert!(matches!(unit.keywords().add(below).await, Err(Error::Reference { .. })));
    }
}

#[tokio::test]
async fn a_label_of_another_tenant_cannot_be_linked() {
    for world in worlds().await {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        let (request, hidden) = (ours.request().await.unwrap().id, theirs.request().await.unwrap().id);
        let unit = theirs.unit().await.unwrap();
        let secret = unit.keywords().add(new(&hidden, "hidden")).await.unwrap();
        unit.commit().await.unwrap();

        let unit = ours.unit().await.unwrap();
        let shown = unit.keywords().add(new(&request, "shown")).await.unwrap();
        unit.keywords().label(&shown.id, "new").await.unwrap();
        assert!(matches!(unit.keywords().label(&secret.id, "new").await, Err(Error::Reference { .. })));
    }
}

async fn measured(agency: &TestAgency<'_>, rows: u64) -> keyword::Model {
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let keyword = unit.keywords().add(new(&request, "measured")).await.unwrap();
    let now = unit.own().repository::<OwnTables>(|tables| tables).now();
    let row = |_| ranking::ActiveModel {
        keyword_id: Set(keyword.id.clone()),
        position: Set(1),
        share: Set(0.25),
        measured_at: Set(now),
        ..Default::default()
    };
    let rankings = unit.own().repository::<OwnTables>(|tables| tables).of::<ranking::Entity>();
    assert_eq!(rankings.add_many((0..rows).map(row).collect()).await.unwrap(), rows);
    unit.commit().await.unwrap();
    keyword
}

/// 20,000 rows, or the number in `DOWNSTREAM_ROWS`.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_returns_every_row_once_while_others_add_and_remove() {
    let rows = std::env::var("DOWNSTREAM_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000);
    for world in worlds().await {
        let agency = world.agency().await.unwrap();
        let keyword = Arc::new(measured(&agency, rows).await);
        let (store, scope, of) = (world.store(), agency.scope(), Arc::clone(&keyword));
        let others = tokio::spawn(async move {
            for _ in 0..50 {
                let unit = store.tenant(&scope).await.unwrap();
                let tables = unit.own().repository::<OwnTables>(|tables| tables);
                let row = ranking::ActiveModel {
                    keyword_id: Set(of.id.clone()),
                    position: Set(2),
                    share: Set(0.5),
                    measured_at: Set(tables.now()),
                    ..Default::default()
                };
                tables.of::<ranking::Entity>().add(row).await.unwrap();
                unit.commit().await.unwrap();
            }
        });
        let (mut page, mut seen) = (KeysetRequest::first(100), BTreeSet::new());
        loop {
            let unit = world.store().tenant(&agency.scope()).read_only().await.unwrap();
            let rankings = unit.own().repository::<OwnTables>(|tables| tables).of::<ranking::Entity>();
            let walked = rankings.filter(ranking::Column::Position.eq(1)).walk(&page).await.unwrap();
            for ranking in walked.items {
                assert!(seen.insert(ranking.id), "a row was returned twice");
            }
            let Some(next) = walked.next else { break };
            page = KeysetRequest::after(100, next);
        }
        others.await.unwrap();
        assert_eq!(seen.len() as u64, rows);

        let unit = agency.unit().await.unwrap();
        let ranked = unit.keywords().rankings(&[(*keyword).clone()]).await.unwrap();
        assert_eq!(ranked[0].len() as u64, rows + 50);
        assert!(matches!(unit.keywords().remove(&keyword.id).await, Ok(())));
    }
}

#[tokio::test]
async fn no_attack_reaches_a_table() {
    for world in worlds().await {
        let keywords = OwnRows::<keyword::Entity>::new(|side| keyword::ActiveModel {
            request_id: Set(side.request.id.clone()),
            intent: Set(Intent::Buy),
            budget_cents: Set(5),
            spellings: Set(Json::Null),
            text: Set(format!("attacked {}", side.tenant().as_str())),
            ..Default::default()
        });
        let labels = OwnRows::<label::Entity>::new(|side| label::ActiveModel {
            name: Set(format!("attacked {}", side.tenant().as_str())),
            ..Default::default()
        });
        Attacks::on(&world).with(&keywords).with(&labels).through_units().await.unwrap().assert_held();
    }
}
