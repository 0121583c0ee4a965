//! The rows that a unit must not reach by any condition or call.

use rylie_db::own::sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use rylie_db::own::sea_orm::{QuerySelect, QueryTrait};
use rylie_db::own::*;
use rylie_testkit::attacks::Attacks;
use rylie_testkit::own::OwnRows;

use super::world;
use crate::own::comments::{self, comment};
use crate::own::downstream::{new_note, note, note_tag, schema, tables, tag};

#[tokio::test]
async fn a_condition_that_reads_other_rows_is_refused() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = theirs.unit().await.unwrap();
    tables(&*unit).of::<note::Entity>().add(new_note("theirs", 1)).await.unwrap();
    unit.commit().await.unwrap();

    let unit = ours.unit().await.unwrap();
    let other_rows = || note::Entity::find().select_only().column(note::Column::Id).into_query();
    let hostile: Vec<SimpleExpr> = vec![
        note::Column::Id.in_subquery(other_rows()),
        Expr::exists(other_rows()),
        Expr::cust("EXISTS (SELECT 1 FROM \"Note\")"),
        Expr::cust("1 = 1) OR (1 = 1"),
        Expr::cust_with_values("set_config('rylie.tenant', ?, true) IS NOT NULL", [theirs.agency.id.as_str()]),
        Expr::expr(Func::cust("set_config").args([Expr::val("role"), Expr::val("none")])).is_not_null(),
        Expr::col(("User", "email")).eq("ann@example.com"),
        Expr::col("email").eq("ann@example.com"),
        Expr::case(Expr::cust("true"), 1).finally(0).into(),
        note::Column::Title.into_expr().binary(sea_orm::sea_query::BinOper::Custom("OR 1 = 1 OR"), "x"),
    ];
    for condition in hostile {
        let shown = format!("{condition:?}");
        let of = || tables(&*unit).of::<note::Entity>().filter(condition.clone());
        let change = note::ActiveModel { pinned: Set(true), ..Default::default() };
        assert!(matches!(of().count().await, Err(Error::Invalid { .. })), "{shown}");
        assert!(matches!(of().update_many(change).await, Err(Error::Invalid { .. })), "{shown}");
        let hidden =
            Condition::any().add(note::Column::Pinned.eq(true)).add(Condition::all().not().add(condition.clone()));
        let within = tables(&*unit).of::<note::Entity>().filter(hidden);
        assert!(matches!(within.list(PageRequest::default()).await, Err(Error::Invalid { .. })), "{shown}");
    }
    let harmless = Condition::any()
        .add(note::Column::Title.contains("their"))
        .add(note::Column::Rank.between(0, 9))
        .add(note::Column::State.is_in([note::State::Open]))
        .add(Expr::expr(Func::lower(note::Column::Title.into_expr())).eq("theirs"));
    assert_eq!(tables(&*unit).of::<note::Entity>().filter(harmless).count().await.unwrap(), 0);
}

fn new_tag(tables: &OwnTables) -> tag::ActiveModel {
    tag::ActiveModel { name: Set(tables.new_id()), ..Default::default() }
}

#[tokio::test]
async fn no_attack_through_units_reaches_an_own_table() {
    let notes = OwnRows::<note::Entity>::new(|_| new_note("attacked", 1));
    let of_notes = world(schema()).await;
    let tags = OwnRows::<tag::Entity>::with_parents(|tables, _| Box::pin(async { Ok(new_tag(tables)) }));
    let links = OwnRows::<note_tag::Entity>::with_parents(|tables, _| {
        Box::pin(async {
            let note = tables.of::<note::Entity>().add(new_note("linked", 1)).await?;
            let tag = tables.of::<tag::Entity>().add(new_tag(tables)).await?;
            Ok(note_tag::ActiveModel { note_id: Set(note.id), tag_id: Set(tag.id), ..Default::default() })
        })
    });
    let attacks = || Attacks::on(&of_notes).with(&notes).with(&tags);
    attacks().with(&links).through_units().await.unwrap().assert_held();
    let forgotten = attacks().through_units().await.unwrap().to_string();
    assert!(forgotten.contains("NoteTag: its rows exist for the attacks"), "{forgotten}");

    let comments = OwnRows::<comment::Entity>::new(|side| comment::ActiveModel {
        request_id: Set(side.request.id.clone()),
        body: Set("attacked".to_owned()),
        ..Default::default()
    });
    let of_comments = world(comments::schema()).await;
    Attacks::on(&of_comments).with(&comments).through_units().await.unwrap().assert_held();
}
