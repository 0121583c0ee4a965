//! A call that cannot be done is refused, and the error names the column and the reason.

use rylie_db::own::sea_orm::sea_query::ExprTrait;
use rylie_db::own::*;

use super::world;
use crate::own::comments::{self, Comments, comment};
use crate::own::downstream::{self, new_note, note, note_tag, tables, tag};
use crate::own::forgotten;
use crate::own::parts::{self, Level, Size, part};

/// Asserts that the error names the column and says this.
#[track_caller]
fn names<T: std::fmt::Debug>(refused: Result<T>, table: &str, column: &str, says: &str) {
    let error = refused.unwrap_err();
    let Error::InvalidColumn { table: of, column: named, reason } = &error else { panic!("{column}: {error}") };
    assert_eq!((of.as_str(), named.as_str()), (table, column), "{error}");
    assert!(reason.contains(says), "{error}");
    assert_eq!(error.status(), 400);
}

#[tokio::test]
async fn a_value_that_a_change_must_not_set_is_refused_by_its_column() {
    let world = world(comments::schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap().id;
    let unit = ours.unit().await.unwrap();
    let row = unit.comments().add(&request, None, "a").await.unwrap();
    let set = || comment::ActiveModel { reply_to: Set(None), ..Default::default() };
    let foreign = TenantId::of_agency(&theirs.agency.id);
    for (column, change) in [
        ("id", comment::ActiveModel { id: Set("other".parse().unwrap()), ..set() }),
        ("tenantId", comment::ActiveModel { tenant_id: Set(foreign.clone()), ..set() }),
        ("createdAt", comment::ActiveModel { created_at: Set(row.created_at), ..set() }),
        ("deleted", comment::ActiveModel { deleted: Set(true), ..set() }),
        ("deletedAt", comment::ActiveModel { deleted_at: Set(Some(row.created_at)), ..set() }),
    ] {
        let of = || tables(&*unit).of::<comment::Entity>();
        names(of().update(&row.id, change.clone()).await, "Comment", column, "leave it open");
        names(of().update_many(change.clone()).await, "Comment", column, "leave it open");
        names(of().update_each(std::slice::from_ref(&row.id), change).await, "Comment", column, "leave it open");
    }
    let same = comment::ActiveModel {
        id: Set(row.id.clone()),
        tenant_id: Set(row.tenant_id.clone()),
        deleted: Set(false),
        deleted_at: Set(None),
        ..set()
    };
    tables(&*unit).of::<comment::Entity>().update(&row.id, same).await.unwrap();

    let new =
        || comment::ActiveModel { request_id: Set(request.clone()), body: Set("b".to_owned()), ..Default::default() };
    for (column, row) in [
        ("tenantId", comment::ActiveModel { tenant_id: Set(foreign.clone()), ..new() }),
        ("deleted", comment::ActiveModel { deleted: Set(true), ..new() }),
        ("deletedAt", comment::ActiveModel { deleted_at: Set(Some(row.created_at)), ..new() }),
    ] {
        let of = || tables(&*unit).of::<comment::Entity>();
        names(of().add(row.clone()).await, "Comment", column, "leave it open");
        names(of().add_many(vec![new(), row.clone()]).await, "Comment", column, "leave it open");
        names(of().add_unless_there(row).await, "Comment", column, "leave it open");
    }
    assert_eq!(tables(&*unit).of::<comment::Entity>().count().await.unwrap(), 1);
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn another_owner_is_refused_where_a_unit_reaches_only_its_user() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let member = agency.user().await.unwrap();
    let request = member.request().await.unwrap().id;
    let unit = member.unit().await.unwrap();
    let of = || tables(&*unit).of::<comment::Entity>();
    let new = |author: &UserId| comment::ActiveModel {
        request_id: Set(request.clone()),
        author_id: Set(author.clone()),
        body: Set("b".to_owned()),
        ..Default::default()
    };
    names(of().add(new(&agency.admin.user.id)).await, "Comment", "authorId", "its user");
    let row = of().add(new(&member.user.id)).await.unwrap();
    let given = comment::ActiveModel { author_id: Set(agency.admin.user.id.clone()), ..Default::default() };
    names(of().update(&row.id, given).await, "Comment", "authorId", "its user");
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_by_its_column() {
    let world = world(downstream::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let of = || tables(&*unit).of::<note::Entity>();
    let longest = "x".repeat(rylie_db::repositories::MAX_TEXT_BYTES);
    let longer = format!("{longest}x");
    let note = of().add(new_note(&longest, 1)).await.unwrap();
    let json = Some(json!([longer]));
    names(of().add(new_note(&longer, 2)).await, "Note", "title", "262,144");
    names(of().add_many(vec![new_note("a", 3), new_note(&longer, 2)]).await, "Note", "title", "262,144");
    let titled = note::ActiveModel { title: Set(longer.clone()), ..Default::default() };
    names(of().update(&note.id, titled.clone()).await, "Note", "title", "262,144");
    names(of().update_many(titled).await, "Note", "title", "262,144");
    let coloured = note::ActiveModel { colours: Set(json), ..Default::default() };
    names(of().update(&note.id, coloured).await, "Note", "colours", "262,144");
    let tags = || tables(&*unit).of::<tag::Entity>();
    let named = tag::ActiveModel { name: Set(longer), ..Default::default() };
    names(tags().upsert(named, &[tag::Column::Name], &[tag::Column::Name]).await, "Tag", "name", "262,144");
    assert_eq!(of().count().await.unwrap(), 1);
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_number_that_is_none_is_refused_by_its_column() {
    let world = world(downstream::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let none = note::ActiveModel { share: Set(f64::NAN), ..new_note("a", 1) };
    names(tables(&*unit).of::<note::Entity>().add(none).await, "Note", "share", "not a number");
}

#[tokio::test]
async fn a_condition_of_too_many_parts_or_values_is_refused() {
    let world = world(downstream::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let notes = || tables(&*unit).of::<note::Entity>();
    notes().add(new_note("a", 7)).await.unwrap();
    let any = |parts: i64| (0..parts).fold(Condition::any(), |any, rank| any.add(note::Column::Rank.eq(rank)));
    let filters = |parts: i64| (0..parts).fold(notes(), |notes, rank| notes.filter(note::Column::Rank.ne(-1 - rank)));
    assert_eq!(notes().filter(any(150)).count().await.unwrap(), 1);
    assert_eq!(filters(150).count().await.unwrap(), 1);
    assert_eq!(notes().filter(note::Column::Rank.is_in(0..29_000)).count().await.unwrap(), 1);

    let says = |counted: Result<u64>, reason: &str| {
        let Err(Error::Invalid { reason: found, .. }) = counted else { panic!("{reason}: {counted:?}") };
        assert!(found.contains(reason), "{reason}: {found}");
    };
    says(notes().filter(any(60_000)).count().await, "200 parts");
    says(notes().filter(Condition::all().add(any(60_000))).count().await, "200 parts");
    says(filters(1_000).count().await, "200 parts");
    says(notes().filter(note::Column::Rank.is_in(0..100_000)).count().await, "30,000 values");
    says(notes().filter(note::Column::Title.like("%".repeat(60_000))).count().await, "50,000 bytes");
    says(notes().among(note::Column::Rank, [7]).count().await, "column of texts");
    assert_eq!(notes().count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_declared_limit_replaces_the_common_one() {
    let world = world(parts::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let new = |shelf: &str, note: &str| part::ActiveModel {
        shelf: Set(shelf.to_owned()),
        level: Set(Level::Low),
        size: Set(Size { width: 1, notes: vec![note.to_owned()] }),
        ..Default::default()
    };
    let of = || tables(&*unit).of::<part::Entity>();
    of().add(new("12345678", "a")).await.unwrap();
    names(of().add(new("123456789", "a")).await, "Part", "shelf", "max_bytes");
    names(of().add(new("1", &"x".repeat(1_000))).await, "Part", "size", "max_bytes");
    assert_eq!(of().count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_value_outside_the_check_is_refused_by_its_column() {
    let world = world(forgotten::two_moods()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let added = forgotten::add_cross(tables(&*unit)).await;
    names(added.map(drop), "Mooded", "mood", "a check of the table");
}

#[tokio::test]
async fn an_upsert_without_its_unique_columns_or_without_a_change_says_so() {
    let world = world(downstream::schema()).await;
    let agency = world.agency().await.unwrap();
    for many in [false, true] {
        let unit = agency.unit().await.unwrap();
        let of = || tables(&*unit).of::<note::Entity>();
        let key = [note::Column::Rank, note::Column::Title];
        let refused = if many {
            of().upsert_many(vec![new_note("a", 1)], &key, &[note::Column::Pinned]).await.map(drop)
        } else {
            of().upsert(new_note("a", 1), &key, &[note::Column::Pinned]).await.map(drop)
        };
        names(refused, "Note", "rank, title", "`unique` of the migration");
    }
    let unit = agency.unit().await.unwrap();
    let row = tag::ActiveModel { name: Set("red".to_owned()), ..Default::default() };
    let refused = tables(&*unit).of::<tag::Entity>().upsert(row, &[tag::Column::Name], &[]).await.unwrap_err();
    assert!(refused.to_string().contains("add_unless_there"), "{refused}");
}

#[tokio::test]
async fn a_bulk_link_is_refused_for_another_tenants_row_and_added_once() {
    let world = world(downstream::schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = theirs.unit().await.unwrap();
    let hidden = tables(&*unit).of::<note::Entity>().add(new_note("theirs", 1)).await.unwrap();
    unit.commit().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let note = tables(&*unit).of::<note::Entity>().add(new_note("a", 1)).await.unwrap();
    let row = tag::ActiveModel { name: Set("red".to_owned()), ..Default::default() };
    let tag = tables(&*unit).of::<tag::Entity>().add(row).await.unwrap();
    unit.commit().await.unwrap();
    let key = [note_tag::Column::NoteId, note_tag::Column::TagId];
    for (note, refused) in [(&note.id, false), (&hidden.id, true)] {
        let unit = ours.unit().await.unwrap();
        let link =
            note_tag::ActiveModel { note_id: Set(note.clone()), tag_id: Set(tag.id.clone()), ..Default::default() };
        // Rows of the table are only added.
        let done = tables(&*unit).of::<note_tag::Entity>().upsert_many(vec![link.clone()], &key, &key).await;
        assert!(matches!(done, Err(Error::Invalid { .. })), "{done:?}");
        let done = tables(&*unit).of::<note_tag::Entity>().add_unless_there(link).await;
        assert_eq!(matches!(done, Err(Error::Reference { .. })), refused, "{done:?}");
    }
}

#[tokio::test]
async fn an_expression_on_a_column_with_a_record_or_a_seal_says_why() {
    let world = world(downstream::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let of = || tables(&*unit).of::<note::Entity>();
    let note = of().add(new_note("a", 1)).await.unwrap();
    let more = || note::Column::Cents.into_expr().add(1);
    names(of().update_expr(&note.id, note::Column::Cents, more()).await, "Note", "cents", "audited");
    names(of().update_expr(&note.id, note::Column::Secret, Expr::val("x")).await, "Note", "secret", "sealed");
    names(of().update_expr(&note.id, note::Column::Id, Expr::val("x")).await, "Note", "id", "stays");
    let set = note::ActiveModel { cents: Set(1), ..Default::default() };
    names(of().update_many(set).await, "Note", "cents", "audited");
}
