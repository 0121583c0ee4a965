//! The behaviour of own tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use rylie_db::entities::UserRole;
use rylie_db::maintenance::{Sweep, key_report, purge_deleted, reencrypt, replace_tenant};
use rylie_db::own::sea_orm::IntoActiveModel;
use rylie_db::own::*;
use rylie_db::prelude::Loader as PlatformLoader;
use rylie_testkit::own::assert_isolated;

use super::world;
use crate::own::comments::{self, Comments, comment};
use crate::own::downstream::{new_note, note, note_tag, schema, tables, tag};

#[path = "isolation.rs"]
mod isolation;
#[path = "kinds.rs"]
mod kinds;
#[path = "reads.rs"]
mod reads;
#[path = "refused.rs"]
mod refused;
#[path = "users.rs"]
mod users;
#[path = "writes.rs"]
mod writes;

struct NewComment {
    request: RequestId,
    reply_to: Option<comment::CommentId>,
    body: String,
    phone: Option<Secret<String>>,
}

fn new_comment(request: &rylie_db::entities::Request, body: &str) -> NewComment {
    NewComment { request: request.id.clone(), reply_to: None, body: body.to_owned(), phone: None }
}

async fn add(unit: &dyn TenantUnit, new: NewComment) -> Result<comment::Model> {
    let comment = unit.comments().add(&new.request, new.reply_to, &new.body).await?;
    match new.phone {
        Some(phone) => unit.comments().set_phone(&comment.id, &phone).await,
        None => Ok(comment),
    }
}

#[tokio::test]
async fn nothing_of_the_protection_is_missing() {
    let of_comments = world(comments::schema()).await;
    assert_isolated::<comment::Entity>(&of_comments).await;
    let of_notes = world(schema()).await;
    assert_isolated::<note::Entity>(&of_notes).await;
    assert_isolated::<tag::Entity>(&of_notes).await;
    assert_isolated::<note_tag::Entity>(&of_notes).await;
}

#[tokio::test]
async fn comments_are_added_listed_answered_and_removed() {
    let world = world(comments::schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let phone = Secret::from("+49 30 123");
    let first = NewComment { phone: Some(phone.clone()), ..new_comment(&request, "Please call") };
    let comment = add(&*unit, first).await.unwrap();
    let reply = NewComment { reply_to: Some(comment.id.clone()), ..new_comment(&request, "Done") };
    let reply = add(&*unit, reply).await.unwrap();
    assert_eq!(comment.author_id, ours.admin.user.id);
    assert_eq!(unit.comments().phone(&comment.id).await.unwrap(), Some(phone));
    assert_eq!(
        unit.comments().replies(std::slice::from_ref(&comment.id)).await.unwrap()[comment.id.as_str()],
        std::slice::from_ref(&reply)
    );
    assert_eq!(unit.comments().report().await.unwrap()[request.id.as_str()], 2);
    unit.comments().remove(&reply.id).await.unwrap();
    let page = unit.comments().list(&request.id, KeysetRequest::first(10)).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&comment));
    let parents = tables(&*unit).of::<comment::Entity>().parents::<request::Entity>(&page.items).await.unwrap();
    assert_eq!(parents, [Some(request.clone())]);
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    assert!(matches!(unit.comments().phone(&comment.id).await, Err(Error::NotFound { .. })));
    assert!(matches!(add(&*unit, new_comment(&request, "x")).await, Err(Error::NotFound { .. })));
    assert!(unit.comments().report().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_reaches_only_the_rows_that_the_user_owns() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let member = agency.user().await.unwrap();
    assert_eq!(member.user.role, UserRole::User);
    let (theirs, own) = (agency.request().await.unwrap(), member.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    let of_admin = add(&*unit, new_comment(&theirs, "by the administrator")).await.unwrap();
    unit.commit().await.unwrap();

    let unit = member.unit().await.unwrap();
    assert!(matches!(add(&*unit, new_comment(&theirs, "x")).await, Err(Error::NotFound { .. })));
    let row = comment::ActiveModel {
        request_id: Set(own.id.clone()),
        body: Set("in the user's name".to_owned()),
        ..Default::default()
    };
    let row = tables(&*unit).of::<comment::Entity>().add(row).await.unwrap();
    assert_eq!(row.author_id, member.user.id);
    let of = || tables(&*unit).of::<comment::Entity>();
    assert_eq!(of().find(&of_admin.id).await.unwrap(), None);
    assert_eq!(of().count().await.unwrap(), 1);
}

#[tokio::test]
async fn another_tenants_parent_is_as_if_it_did_not_exist() {
    let world = world(comments::schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (request, hidden) = (ours.request().await.unwrap(), theirs.request().await.unwrap());
    let row = |request: &str, author: &str| comment::ActiveModel {
        request_id: Set(request.parse().unwrap()),
        author_id: Set(author.parse().unwrap()),
        body: Set("x".to_owned()),
        ..Default::default()
    };
    let us = ours.admin.user.id.as_str();
    let them = theirs.admin.user.id.as_str();
    for (request, author) in
        [(hidden.id.as_str(), us), ("missing", us), (request.id.as_str(), them), (request.id.as_str(), "missing")]
    {
        let unit = ours.unit().await.unwrap();
        let refused = tables(&*unit).of::<comment::Entity>().add(row(request, author)).await;
        assert!(matches!(refused, Err(Error::Reference { .. })), "{request} {author}: {refused:?}");
    }
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_set() {
    let world = world(schema()).await;
    let ours = world.agency().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let note = tables(&*unit).of::<note::Entity>().add(new_note("a", 1)).await.unwrap();
    let set = note::ActiveModel { title: Set("b".to_owned()), ..note.clone().into_active_model() };
    let changed = tables(&*unit).of::<note::Entity>().update(&note.id, set).await.unwrap();

    assert_eq!(changed, note::Model { title: "b".to_owned(), ..note.clone() });
    let nothing = note::ActiveModel { ..Default::default() };
    assert!(matches!(tables(&*unit).of::<note::Entity>().update(&note.id, nothing).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn every_type_of_column_returns_what_was_stored() {
    let world = world(schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let id: note::NoteId = tables(&*unit).new_id();
    let sealed = tables(&*unit).seal::<note::Entity>(note::Column::Secret, &id, &Secret::from("hidden")).unwrap();
    let row = note::ActiveModel {
        id: Set(id.clone()),
        colours: Set(Some(serde_json::json!(["red", "blue"]))),
        due: Set(Some(tables(&*unit).now())),
        secret: Set(Some(sealed.clone())),
        state: Set(note::State::Done),
        ..new_note("typed", i64::MAX)
    };
    let added = tables(&*unit).of::<note::Entity>().add(row).await.unwrap();
    let read = tables(&*unit).of::<note::Entity>().get(&id).await.unwrap();

    assert_eq!(read, added);
    assert_eq!((read.state, read.rank, read.share), (note::State::Done, i64::MAX, 0.5));
    let opened = tables(&*unit).open::<note::Entity>(note::Column::Secret, &id, &read.secret.unwrap()).unwrap();
    assert_eq!(opened, Secret::from("hidden"));
    let elsewhere = tables(&*unit).new_id::<note::NoteId>();
    assert!(tables(&*unit).open::<note::Entity>(note::Column::Secret, &elsewhere, &sealed).is_err());
    assert!(tables(&*unit).seal::<note::Entity>(note::Column::Title, &id, &Secret::from("x")).is_err());
}

#[tokio::test]
async fn linked_rows_take_two_statements_for_any_number() {
    let world = world(schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let own = tables(&*unit);
    let mut notes = Vec::new();
    for rank in 0..3 {
        notes.push(own.of::<note::Entity>().add(new_note("n", rank)).await.unwrap());
    }
    let tag = own.of::<tag::Entity>().add(tag::ActiveModel { name: Set("red".to_owned()), ..Default::default() });
    let tag = tag.await.unwrap();
    let link = |note: &note::Model| note_tag::ActiveModel {
        note_id: Set(note.id.clone()),
        tag_id: Set(tag.id.clone()),
        ..Default::default()
    };
    own.of::<note_tag::Entity>().add_many(vec![link(&notes[0]), link(&notes[2])]).await.unwrap();

    let before = unit.statements();
    let linked = own.of::<note::Entity>().linked::<note_tag::Entity, tag::Entity>(&notes).await.unwrap();
    assert_eq!(unit.statements() - before, 2);
    assert_eq!(linked, [vec![tag.clone()], vec![], vec![tag.clone()]]);
    let change = note_tag::ActiveModel { tag_id: Set("x".to_owned()), ..Default::default() };
    let link = own.of::<note_tag::Entity>().first().await.unwrap().unwrap();
    assert!(matches!(own.of::<note_tag::Entity>().update(&link.id, change).await, Err(Error::Invalid { .. })));
    assert!(matches!(own.of::<note_tag::Entity>().remove(&link.id).await, Err(Error::Invalid { .. })));
    drop(link);
    let twice =
        own.of::<tag::Entity>().add(tag::ActiveModel { name: Set("red".to_owned()), ..Default::default() }).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
}

#[tokio::test]
async fn a_change_of_an_audited_column_is_recorded_with_both_values() {
    let world = world(schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let note = tables(&*unit).of::<note::Entity>().add(new_note("a", 1)).await.unwrap();
    let set = note::ActiveModel { cents: Set(5), title: Set("b".to_owned()), ..Default::default() };
    tables(&*unit).of::<note::Entity>().update(&note.id, set.clone()).await.unwrap();
    assert!(matches!(tables(&*unit).of::<note::Entity>().update_many(set).await, Err(Error::InvalidColumn { .. })));
    tables(&*unit).of::<note::Entity>().remove(&note.id).await.unwrap();

    let log =
        unit.audit().list(rylie_db::repositories::AuditFilter::default(), PageRequest::default()).await.unwrap().items;
    let of = |action: &str| log.iter().find(|record| record.action == action && record.resource == "Note").unwrap();
    assert_eq!(of("NOTE_CHANGED").resource_id.as_deref(), Some(note.id.as_str()));
    let details = serde_json::to_value(&of("NOTE_CHANGED").details).unwrap();
    assert!(details.to_string().contains("\"cents\":[1999,5]"), "{details}");
    assert!(!details.to_string().contains("title"), "{details}");
    assert_eq!(of("DELETED").resource_id.as_deref(), Some(note.id.as_str()));
}

#[tokio::test]
async fn rows_are_upserted_restored_purged_and_loaded() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let own = tables(&*unit);
    let comment = add(&*unit, new_comment(&request, "first")).await.unwrap();
    let mut row = comment.clone().into_active_model().reset_all();
    row.request_id = Set(request.id.clone());
    assert!(
        own.of::<comment::Entity>()
            .upsert(row.clone(), &[comment::Column::Id], &[comment::Column::Body])
            .await
            .is_err()
    );
    let saved =
        own.of::<comment::Entity>().upsert(row, &[comment::Column::Id], &[comment::Column::ReplyTo]).await.unwrap();
    assert_eq!(saved.id, comment.id);
    unit.commit().await.unwrap();

    let loader = PlatformLoader::<comment::Model>::new(world.store(), agency.scope());
    assert_eq!(loader.get(comment.id.clone()).await.unwrap().body, "first");

    let unit = agency.unit().await.unwrap();
    let of = || tables(&*unit).of::<comment::Entity>();
    of().remove(&comment.id).await.unwrap();
    assert_eq!(of().deleted().count().await.unwrap(), 1);
    of().restore(&comment.id).await.unwrap();
    assert_eq!(of().count().await.unwrap(), 1);
    of().remove_many(std::slice::from_ref(&comment.id)).await.unwrap();
    assert_eq!(of().purge_many(std::slice::from_ref(&comment.id)).await.unwrap().changed, 1);
    assert_eq!(of().deleted().count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_unregistered_entity_and_a_table_of_the_platform_are_refused_by_name() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let refused = tables(&*unit).of::<tag::Entity>().count().await.unwrap_err().to_string();
    assert!(refused.contains("Schema"), "{refused}");

    let twice = comments::schema().table::<comment::Entity>(&OTHER);
    let refused = rylie_db::Config::new("sqlite::memory:").unwrap().with(twice).unwrap_err().to_string();
    assert!(refused.contains("Comment"), "{refused}");
    let misnamed = Schema::new().migration(&MISNAMED);
    let refused = rylie_db::Config::new("sqlite::memory:").unwrap().with(misnamed).unwrap_err().to_string();
    assert!(refused.contains("m20261201_x"), "{refused}");
}

const OTHER: CreateTable = CreateTable::new("own_m20261202_000001_again", || NewTable::new("Comment"));
const MISNAMED: CreateTable = CreateTable::new("m20261201_x", || NewTable::new("X"));

#[tokio::test]
async fn migrations_of_a_service_are_recorded_compared_and_reverted_with_ours() {
    let world = world(schema()).await;
    let mut migrations = world.database().migrations().await.unwrap();
    let status = migrations.status().await.unwrap();
    let own: Vec<_> = status.iter().filter(|migration| migration.name.starts_with("own_")).collect();
    assert_eq!(own.len(), 3);
    assert!(own.iter().all(|migration| migration.state == rylie_db::migration::MigrationState::Applied), "{own:?}");
    assert!(migrations.deploy(&mut |_| ()).await.unwrap().is_empty());
    let drift = migrations.drift().await.unwrap();
    assert_eq!((drift.differences, drift.extra), (vec![], vec![]));
    assert!(migrations.squash(migrations.engine()).contains("CREATE TABLE IF NOT EXISTS \"NoteTag\""));

    let gone = migrations.down(3, &mut |_| ()).await.unwrap();
    assert_eq!(gone.last().map(String::as_str), Some("own_m20261201_000001_create_note"));
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_tenant_with_own_rows_is_exported_erased_and_imported() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let first = NewComment { phone: Some(Secret::from("1")), ..new_comment(&request, "first") };
    let first = add(&*unit, first).await.unwrap();
    let reply = NewComment { reply_to: Some(first.id.clone()), ..new_comment(&request, "second") };
    add(&*unit, reply).await.unwrap();
    unit.commit().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let (file, none) = (folder.path().join("tenant.jsonl"), rylie_db::prelude::Progress::none());
    let tenant = TenantId::of_agency(&agency.agency.id);
    let exported = world.database().export_tenant(&tenant, &file, None, &none).await.unwrap();
    assert_eq!(exported["Comment"], 2);
    let marked = rylie_db::migration::Environment::Development;
    world.database().migrations().await.unwrap().mark_environment(marked, Some("a test")).await.unwrap();
    assert_eq!(world.database().erase_tenant(&tenant).await.unwrap()["Comment"], 2);
    let imported = world.database().import_tenant(&file, &none).await.unwrap();
    assert_eq!(imported.rows["Comment"], 2);
    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.comments().phone(&first.id).await.unwrap(), Some(Secret::from("1")));
}

#[tokio::test]
async fn own_rows_are_put_back_with_their_tenant() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let first = NewComment { phone: Some(Secret::from("1")), ..new_comment(&request, "first") };
    let first = add(&*unit, first).await.unwrap();
    let reply = NewComment { reply_to: Some(first.id.clone()), ..new_comment(&request, "second") };
    let reply = add(&*unit, reply).await.unwrap();
    unit.commit().await.unwrap();
    let marked = rylie_db::migration::Environment::Development;
    world.database().migrations().await.unwrap().mark_environment(marked, Some("a test")).await.unwrap();

    let (store, none) = (world.store(), rylie_db::prelude::Progress::none());
    let tenant = TenantId::of_agency(&agency.agency.id);
    let replaced = replace_tenant(&*store, &*store, &tenant, "a backup", &none).await.unwrap();
    assert_eq!((replaced.removed["Comment"], replaced.rows["Comment"]), (2, 2));
    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.comments().phone(&first.id).await.unwrap(), Some(Secret::from("1")));
    let replies = unit.comments().replies(std::slice::from_ref(&first.id)).await.unwrap();
    assert_eq!(replies[first.id.as_str()], [reply]);
}

#[tokio::test]
async fn sealed_columns_and_soft_deleted_rows_of_own_tables_are_maintained() {
    let world = world(comments::schema()).await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let comment = NewComment { phone: Some(Secret::from("1")), ..new_comment(&request, "first") };
    let comment = add(&*unit, comment).await.unwrap();
    unit.commit().await.unwrap();

    let (store, none) = (world.store(), rylie_db::prelude::Progress::none());
    let report = serde_json::to_string(&key_report(&*store, &none).await.unwrap()).unwrap();
    assert!(report.contains("Comment.phone"), "{report}");
    let done = reencrypt(&*store, 100, &none).await.unwrap();
    assert_eq!((done.looked_at > 0, done.unreadable.len()), (true, 0));

    let unit = agency.unit().await.unwrap();
    unit.comments().remove(&comment.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(chrono::TimeDelta::days(40));
    let purged = purge_deleted(&*store, std::time::Duration::from_hours(24), &Sweep::default()).await.unwrap();
    assert_eq!(purged.own, 1);
}

#[tokio::test]
async fn a_walk_returns_every_row_once_while_others_write() {
    const ROWS: i64 = 100_000;
    let world = Arc::new(world(schema()).await);
    let agency = world.agency().await.unwrap();
    let scope = agency.scope();
    let unit = agency.unit().await.unwrap();
    let rows = (0..ROWS).map(|rank| new_note("walked", rank * 2)).collect();
    assert_eq!(tables(&*unit).of::<note::Entity>().add_many(rows).await.unwrap(), ROWS.cast_unsigned());
    unit.commit().await.unwrap();

    let (store, of) = (world.store(), scope.clone());
    let others = tokio::spawn(async move {
        for rank in 0..50 {
            let unit = store.tenant(&of).await.unwrap();
            tables(&*unit).of::<note::Entity>().add(new_note("added", rank * 4_001 + 1)).await.unwrap();
            unit.commit().await.unwrap();
        }
    });
    let (mut page, mut seen) = (KeysetRequest::first(100), BTreeSet::new());
    loop {
        let unit = world.store().tenant(&scope).read_only().await.unwrap();
        let walked = tables(&*unit).of::<note::Entity>().filter(note::Column::Title.eq("walked")).walk(&page).await;
        let walked = walked.unwrap();
        for note in walked.items {
            assert!(seen.insert(note.id), "a row was returned twice");
        }
        let Some(next) = walked.next else { break };
        page = KeysetRequest::after(100, next);
    }
    others.await.unwrap();

    assert_eq!(i64::try_from(seen.len()), Ok(ROWS));
}
