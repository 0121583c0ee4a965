//! Writes of own tables that name rows by more than one id.

use rylie_db::entities::Env;
use rylie_db::own::sea_orm::sea_query::ExprTrait;
use rylie_db::own::*;

use super::world;
use crate::own::comments::{self, Comments, comment};
use crate::own::downstream::{new_note, note, note_tag, schema, tables, tag};

fn new_tag(name: &str) -> tag::ActiveModel {
    tag::ActiveModel { name: Set(name.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn an_upsert_by_a_unique_column_stays_within_the_tenant() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let mut ids = Vec::new();
    for agency in [&theirs, &ours] {
        let unit = agency.unit().await.unwrap();
        let tags = || tables(&*unit).of::<tag::Entity>();
        let added = tags().upsert(new_tag("red"), &[tag::Column::Name], &[tag::Column::Name]).await.unwrap();
        let again = tags().upsert(new_tag("red"), &[tag::Column::Name], &[tag::Column::Name]).await.unwrap();
        assert_eq!(added, again);
        let rows = ["red", "blue", "green"].map(new_tag).to_vec();
        let saved = tags().upsert_many(rows, &[tag::Column::Name], &[tag::Column::Name]).await.unwrap();
        assert_eq!((saved.changed, saved.not_found, tags().count().await.unwrap()), (3, 0, 3));
        ids.push(added.id);
        unit.commit().await.unwrap();
    }
    assert_ne!(ids[0], ids[1]);

    let platform = world.platform().await.unwrap();
    let rows = vec![tag::ActiveModel { tenant_id: Set(TenantId::of_agency(&ours.agency.id)), ..new_tag("red") }];
    let across = platform.own().repository::<OwnTables>(|tables| tables).of::<tag::Entity>();
    let refused = across.upsert_many(rows, &[tag::Column::Name], &[tag::Column::Name]).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
}

#[tokio::test]
async fn concurrent_upserts_of_the_same_new_rows_all_succeed() {
    let world = world(schema()).await;
    let agency = world.agency().await.unwrap();
    let agency = &agency;
    let names: Vec<_> = (0..20).map(|number| format!("tag {number}")).collect();
    for round in 0..5 {
        let calls = (0..6).map(|caller| {
            let mut names: Vec<_> = names.iter().map(|name| format!("{round} {name}")).collect();
            names.rotate_left(caller * 3);
            async move {
                let unit = agency.unit().await.unwrap();
                let tags = || tables(&*unit).of::<tag::Entity>();
                let one = new_tag(&format!("{round} alone"));
                tags().upsert(one, &[tag::Column::Name], &[tag::Column::Name]).await.unwrap();
                let rows = names.iter().map(|name| new_tag(name)).collect();
                let saved = tags().upsert_many(rows, &[tag::Column::Name], &[tag::Column::Name]).await.unwrap();
                assert_eq!(saved.changed, 20);
                unit.commit().await.unwrap();
            }
        });
        futures_util::future::join_all(calls).await;
    }
    let unit = agency.unit().await.unwrap();
    assert_eq!(tables(&*unit).of::<tag::Entity>().count().await.unwrap(), 5 * 21);
}

#[tokio::test]
async fn an_upsert_of_a_row_out_of_reach_or_soft_deleted_finds_nothing() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = theirs.unit().await.unwrap();
    let hidden = tables(&*unit).of::<tag::Entity>().add(new_tag("theirs")).await.unwrap();
    unit.commit().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let row = tag::ActiveModel { id: Set(hidden.id.clone()), ..new_tag("ours") };
    let tags = || tables(&*unit).of::<tag::Entity>();
    let found = tags().upsert(row.clone(), &[tag::Column::Id], &[tag::Column::Name]).await;
    assert!(matches!(found, Err(Error::NotFound { entity: "Tag" })), "{found:?}");
    let saved = tags().upsert_many(vec![row], &[tag::Column::Id], &[tag::Column::Name]).await.unwrap();
    assert_eq!((saved.changed, saved.not_found), (0, 1));
    unit.commit().await.unwrap();

    let world = self::world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let row = unit.comments().add(&request, None, "before").await.unwrap();
    unit.comments().remove(&row.id).await.unwrap();
    let (id, request_id, phone) = (Set(row.id.clone()), Set(request), Set(None));
    let again = comment::ActiveModel { id, request_id, phone, body: Set("after".to_owned()), ..Default::default() };
    let all = || tables(&*unit).of::<comment::Entity>();
    let found = all().upsert(again.clone(), &[comment::Column::Id], &[comment::Column::Phone]).await;
    assert!(matches!(found, Err(Error::NotFound { entity: "Comment" })), "{found:?}");
    let saved = all().upsert_many(vec![again], &[comment::Column::Id], &[comment::Column::Phone]).await.unwrap();
    assert_eq!((saved.changed, saved.not_found), (0, 1));
    assert_eq!(all().deleted().get(&row.id).await.unwrap().body, "before");
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn an_expression_whose_value_the_column_cannot_have_fails_the_unit() {
    let world = world(schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let note = tables(&*unit).of::<note::Entity>().add(new_note("a", 5)).await.unwrap();
    unit.commit().await.unwrap();
    for (column, expression) in [
        (note::Column::Title, Expr::val("x".repeat(1 << 20))),
        (note::Column::Rank, note::Column::Rank.into_expr().add(i64::MAX)),
        (note::Column::Rank, Expr::val("a word")),
        (note::Column::Colours, Expr::val("no document")),
    ] {
        let unit = agency.unit().await.unwrap();
        let changed = tables(&*unit).of::<note::Entity>().update_expr(&note.id, column, expression).await;
        assert!(changed.is_err(), "{column:?}: {changed:?}");
        let ended = unit.commit().await;
        assert!(matches!(ended, Err(Error::UnitFailed)), "{column:?}: {ended:?}");
    }
    let unit = agency.unit().await.unwrap();
    assert_eq!(tables(&*unit).of::<note::Entity>().get(&note.id).await.unwrap(), note);
}

#[tokio::test]
async fn a_row_is_added_unless_it_is_there() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = theirs.unit().await.unwrap();
    let hidden = tables(&*unit).of::<note::Entity>().add(new_note("theirs", 1)).await.unwrap();
    unit.commit().await.unwrap();

    let unit = ours.unit().await.unwrap();
    let own = tables(&*unit);
    let note = own.of::<note::Entity>().add(new_note("a", 1)).await.unwrap();
    let tag = own.of::<tag::Entity>().add(new_tag("red")).await.unwrap();
    let link = |note: &note::NoteId| {
        let (note_id, tag_id) = (Set(note.clone()), Set(tag.id.clone()));
        own.of::<note_tag::Entity>().add_unless_there(note_tag::ActiveModel { note_id, tag_id, ..Default::default() })
    };
    assert!(link(&note.id).await.unwrap());
    assert!(!link(&note.id).await.unwrap());
    let refused = link(&hidden.id).await;
    assert!(matches!(refused, Err(Error::Reference { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_expression_changes_a_row_that_meets_the_condition() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = ours.unit().await.unwrap();
    let note = tables(&*unit).of::<note::Entity>().add(new_note("a", 5)).await.unwrap();
    let less = |by: i64| {
        let notes = tables(&*unit).of::<note::Entity>().filter(note::Column::Rank.gte(by));
        notes.update_expr(&note.id, note::Column::Rank, note::Column::Rank.into_expr().sub(by))
    };
    assert_eq!(less(3).await.unwrap().rank, 2);
    assert!(matches!(less(3).await, Err(Error::NotFound { .. })));
    for (column, expression) in [
        (note::Column::Id, Expr::val("x")),
        (note::Column::TenantId, Expr::val("x")),
        (note::Column::Cents, Expr::val(1)),
        (note::Column::Secret, Expr::val("plain")),
        (note::Column::Rank, Expr::cust("(SELECT 1)")),
    ] {
        let refused = tables(&*unit).of::<note::Entity>().update_expr(&note.id, column, expression).await;
        assert!(matches!(refused, Err(Error::Invalid { .. } | Error::InvalidColumn { .. })), "{column:?}: {refused:?}");
    }
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    let theft = tables(&*unit).of::<note::Entity>().update_expr(&note.id, note::Column::Rank, Expr::val(9)).await;
    assert!(matches!(theft, Err(Error::NotFound { .. })), "{theft:?}");
}

#[tokio::test]
async fn many_rows_are_changed_by_their_ids_and_the_others_are_counted() {
    let world = world(comments::schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let mut ids = Vec::new();
    for agency in [&ours, &theirs] {
        let request = agency.request().await.unwrap().id;
        let unit = agency.unit().await.unwrap();
        for _ in 0..2 {
            ids.push(unit.comments().add(&request, None, "a").await.unwrap().id);
        }
        unit.commit().await.unwrap();
    }
    world.env().forward(chrono::TimeDelta::minutes(1));
    let unit = ours.unit().await.unwrap();
    let of = || tables(&*unit).of::<comment::Entity>();
    let set = || comment::ActiveModel { reply_to: Set(Some(ids[0].clone())), ..Default::default() };
    let changed = of().update_each(&ids, set()).await.unwrap();
    assert_eq!((changed.asked, changed.changed, changed.not_found), (4, 2, 2));
    let again = of().update_each(&ids, set()).await.unwrap();
    assert_eq!((again.changed, again.not_found), (0, 2));
    let row = of().get_for_update(&ids[1]).await.unwrap();
    assert_eq!((&row.reply_to, row.updated_at), (&Some(ids[0].clone()), world.env().now().into()));
    assert_eq!(of().among(comment::Column::Id, &ids).at_once().count().await.unwrap(), 2);
    let audited = comment::ActiveModel { body: Set("b".to_owned()), ..Default::default() };
    assert!(matches!(of().update_each(&ids, audited).await, Err(Error::InvalidColumn { .. })));
}

#[tokio::test]
async fn a_condition_that_a_method_would_not_apply_is_refused() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let comment = unit.comments().add(&request, None, "a").await.unwrap();
    let of = || tables(&*unit).of::<comment::Entity>().filter(comment::Column::Body.eq("b"));
    assert!(matches!(of().remove(&comment.id).await, Err(Error::Invalid { .. })));
    assert!(matches!(of().remove_many(std::slice::from_ref(&comment.id)).await, Err(Error::Invalid { .. })));
    let set = comment::ActiveModel { reply_to: Set(None), ..Default::default() };
    assert!(matches!(of().update(&comment.id, set).await, Err(Error::NotFound { .. })));
    assert_eq!(tables(&*unit).of::<comment::Entity>().count().await.unwrap(), 1);
}
