//! The service on real databases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use downstream::keyword::{self, Intent};
use downstream::{Keywords, NewKeyword, keyword_label, label, lines, migrations, ranking, schema};
use rylie_db::own::*;
use rylie_db::prelude::Loader;
use rylie_db::{NewMigration, Unwritten};
use rylie_testkit::attacks::{Attacks, Side};
use rylie_testkit::own::{OwnRows, assert_all_isolated, tables};
use rylie_testkit::{TestEnv, World};

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
        assert_all_isolated(&world).await;
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
        assert_eq!(unit.keywords().parents(&[red.clone(), shoes.clone()]).await.unwrap(), [Some(shoes.clone()), None]);
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
async fn money_json_arrays_and_times_return_what_was_stored() {
    for world in worlds().await {
        let agency = world.agency().await.unwrap();
        let request = agency.request().await.unwrap().id;
        let unit = agency.unit().await.unwrap();
        let added = unit.keywords().add(new(&request, "Größe 43 – “neu”")).await.unwrap();
        for cents in [0, 1, i64::MAX, i64::MIN] {
            assert_eq!(unit.keywords().set_budget(&added.id, cents).await.unwrap().budget_cents, cents);
        }
        unit.keywords().set_budget(&added.id, 40).await.unwrap();
        assert_eq!(unit.keywords().spend(&added.id, 15).await.unwrap().budget_cents, 25);
        let again = unit.keywords().spend(&added.id, 26).await;
        assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
        let loaded = tables(&*unit).of::<keyword::Entity>().get_for_update(&added.id).await.unwrap();
        assert_eq!(loaded.spellings, Json::from(vec!["größe 43 – “neu”"]));
        assert_eq!((&loaded.text, loaded.created_at), (&added.text, added.created_at));
        unit.commit().await.unwrap();

        let loader = Loader::<keyword::Model>::new(world.store(), agency.scope());
        assert_eq!(loader.get(added.id.clone()).await.unwrap(), loaded);
    }
}

#[tokio::test]
async fn a_label_of_another_tenant_cannot_be_linked() {
    for world in worlds().await {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        let (request, hidden) = (ours.request().await.unwrap().id, theirs.request().await.unwrap().id);
        let unit = theirs.unit().await.unwrap();
        let secret = unit.keywords().add(new(&hidden, "hidden")).await.unwrap();
        unit.keywords().label(&secret.id, "new").await.unwrap();
        unit.commit().await.unwrap();

        let unit = ours.unit().await.unwrap();
        let shown = unit.keywords().add(new(&request, "shown")).await.unwrap();
        // The other tenant has a label of this name as well.
        unit.keywords().label(&shown.id, "new").await.unwrap();
        assert_eq!(unit.keywords().labels(&[shown]).await.unwrap()[0].len(), 1);
        assert!(matches!(unit.keywords().label(&secret.id, "new").await, Err(Error::Reference { .. })));
    }
}

fn measured(keyword: &keyword::KeywordId, position: i32, at: Timestamp) -> ranking::ActiveModel {
    ranking::ActiveModel {
        keyword_id: Set(keyword.clone()),
        position: Set(position),
        share: Set(0.25),
        measured_at: Set(at),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_a_hundred_thousand_rows_returns_each_once_while_others_write() {
    const ROWS: usize = 100_000;
    for world in worlds().await {
        let agency = world.agency().await.unwrap();
        let request = agency.request().await.unwrap().id;
        let unit = agency.unit().await.unwrap();
        let keyword = unit.keywords().add(new(&request, "measured")).await.unwrap();
        let now = tables(&*unit).now();
        let rows = (0..ROWS).map(|_| measured(&keyword.id, 1, now)).collect();
        assert_eq!(tables(&*unit).of::<ranking::Entity>().add_many(rows).await.unwrap(), ROWS as u64);
        unit.commit().await.unwrap();

        let walked = Arc::new(AtomicBool::new(false));
        let (store, scope, of, done) = (world.store(), agency.scope(), keyword.id.clone(), Arc::clone(&walked));
        let others = tokio::spawn(async move {
            let mut added = 0;
            while !done.load(Ordering::SeqCst) {
                let unit = store.tenant(&scope).await.unwrap();
                tables(&*unit).of::<ranking::Entity>().add(measured(&of, 2, now)).await.unwrap();
                unit.commit().await.unwrap();
                added += 1;
            }
            added
        });
        let (mut page, mut seen) = (KeysetRequest::first(100), BTreeSet::new());
        loop {
            let unit = world.store().tenant(&agency.scope()).read_only().await.unwrap();
            let rankings = tables(&*unit).of::<ranking::Entity>().filter(ranking::Column::Position.eq(1));
            let walked = rankings.walk(&page).await.unwrap();
            for ranking in walked.items {
                assert!(seen.insert(ranking.id), "a row was returned twice");
            }
            let Some(next) = walked.next else { break };
            page = KeysetRequest::after(100, next);
        }
        walked.store(true, Ordering::SeqCst);
        let added: usize = others.await.unwrap();
        assert_eq!(seen.len(), ROWS);
        assert!(added > 0);

        let unit = agency.unit().await.unwrap();
        let ranked = unit.keywords().rankings(&[keyword]).await.unwrap();
        assert_eq!(ranked[0].len(), ROWS + added);
    }
}

fn attacked(tables: &OwnTables, side: &Side<'_>) -> keyword::ActiveModel {
    keyword::ActiveModel {
        request_id: Set(side.request.id.clone()),
        intent: Set(Intent::Buy),
        budget_cents: Set(5),
        spellings: Set(Json::Null),
        text: Set(tables.new_id()),
        ..Default::default()
    }
}

fn named(tables: &OwnTables) -> label::ActiveModel {
    label::ActiveModel { name: Set(tables.new_id()), ..Default::default() }
}

#[tokio::test]
async fn no_attack_reaches_a_table() {
    let keywords =
        OwnRows::<keyword::Entity>::with_parents(|tables, side| Box::pin(async { Ok(attacked(tables, side)) }));
    let labels = OwnRows::<label::Entity>::with_parents(|tables, _| Box::pin(async { Ok(named(tables)) }));
    let links = OwnRows::<keyword_label::Entity>::with_parents(|tables, side| {
        Box::pin(async {
            let keyword = tables.of::<keyword::Entity>().add(attacked(tables, side)).await?;
            let label = tables.of::<label::Entity>().add(named(tables)).await?;
            Ok(keyword_label::ActiveModel {
                keyword_id: Set(keyword.id),
                label_id: Set(label.id),
                ..Default::default()
            })
        })
    });
    let rankings = OwnRows::<ranking::Entity>::with_parents(|tables, side| {
        Box::pin(async {
            let keyword = tables.of::<keyword::Entity>().add(attacked(tables, side)).await?;
            Ok(measured(&keyword.id, 1, tables.now()))
        })
    });
    for world in worlds().await {
        let attacks = Attacks::on(&world).with(&keywords).with(&labels).with(&links).with(&rankings);
        attacks.run().await.unwrap().assert_held();
    }
}

/// `rustfmt` joins what the command writes on several lines.
fn tokens(text: &str) -> String {
    text.lines().skip(1).flat_map(|line| line.split_whitespace()).collect()
}

#[test]
fn the_command_writes_the_migration_of_a_new_column() {
    let folder = tempfile::TempDir::new().unwrap();
    let before = Schema::new()
        .table::<keyword::Entity>(&migrations::CREATE_KEYWORD)
        .table::<label::Entity>(&migrations::CREATE_LABEL);
    std::fs::write(folder.path().join("own_m20261201_000004_create_ranking.rs"), "").unwrap();

    let env = TestEnv::default();
    let new = NewMigration::of_service("add_season_to_label", folder.path(), &env, &before).unwrap();

    assert_eq!(new.name, "own_m20260115_000005_add_season_to_label");
    let ours = include_str!("../src/migrations/own_m20261201_000005_add_season_to_label.rs");
    assert_eq!(tokens(&new.source), tokens(&ours.replace("own_m20261201", "own_m20260115")));
    assert_eq!(new.remarks, Vec::<String>::new());
    let file = new.write(folder.path()).unwrap();
    assert!(matches!(new.write(folder.path()), Err(Unwritten::Exists { .. })), "{}", file.display());
    for refused in ["", "../x", "Add", "add-x"] {
        let refused = NewMigration::of_service(refused, folder.path(), &env, &before);
        assert!(matches!(refused, Err(Unwritten::Name(_))), "{refused:?}");
    }
    let lost = NewMigration::of_service("create_x", &folder.path().join("none"), &env, &before);
    assert!(matches!(lost, Err(Unwritten::Folder { .. })), "{lost:?}");
}

#[test]
fn one_module_has_what_a_service_names_and_hides_no_method() {
    let at: Timestamp = "2026-12-01T11:00:00+01:00".parse().unwrap();
    assert_eq!(json!({ "due": at }).to_string(), r#"{"due":"2026-12-01T10:00:00.000Z"}"#);
    // `Iden` of SeaORM has a method of this name.
    let named = |word: Option<&&str>| word.map(|word| word.to_string());
    assert_eq!(named(Some(&"shoes")), Some("shoes".to_owned()));
    let _: fn(&Request) -> &RequestId = |request| &request.id;
    let _: fn(&User, &Task, &Agency) = |_, _, _| ();
}
