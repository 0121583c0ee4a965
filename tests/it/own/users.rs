//! The rows of a user who moves to another agency, or is erased.

use rylie_db::own::*;
use rylie_testkit::own::assert_all_isolated;

use super::world;
use crate::own::bookmarks::{self, bookmark, star};
use crate::own::downstream::tables;

async fn bookmarks(unit: &dyn TenantUnit) -> Vec<bookmark::Model> {
    tables(unit).of::<bookmark::Entity>().list(PageRequest::default()).await.unwrap().items
}

#[tokio::test]
async fn rows_that_follow_a_user_move_and_rows_that_name_one_stay() {
    let world = world(bookmarks::schema()).await;
    assert_all_isolated(&world).await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let member = north.user().await.unwrap();
    let note = Secret::from("private");
    let own =
        bookmark::ActiveModel { user_id: Set(member.user.id.clone()), url: Set("a".into()), ..Default::default() };
    let own = member.add(own).await.unwrap();
    let unit = member.unit().await.unwrap();
    let sealed = tables(&*unit).seal::<bookmark::Entity>(bookmark::Column::Note, &own.id, &note).unwrap();
    let set = bookmark::ActiveModel { note: Set(Some(sealed)), ..Default::default() };
    let own = tables(&*unit).of::<bookmark::Entity>().update(&own.id, set).await.unwrap();
    unit.commit().await.unwrap();
    let star = member.add(star::ActiveModel { given_by: Set(Some(member.user.id.clone())), ..Default::default() });
    let star = star.await.unwrap();

    let platform = world.platform().await.unwrap();
    let moved = platform.users().move_to(&member.user.id, Some(south.agency.id.clone())).await.unwrap();
    platform.commit().await.unwrap();

    let unit = south.unit().await.unwrap();
    assert_eq!(bookmarks(&*unit).await, [bookmark::Model { tenant_id: moved.tenant_id.clone(), ..own.clone() }]);
    let sealed = own.note.unwrap();
    let opened = tables(&*unit).open::<bookmark::Entity>(bookmark::Column::Note, &own.id, &sealed).unwrap();
    assert_eq!(opened, note);
    assert_eq!(tables(&*unit).of::<star::Entity>().count().await.unwrap(), 0);
    drop(unit);
    let unit = north.unit().await.unwrap();
    assert!(bookmarks(&*unit).await.is_empty());
    assert_eq!(tables(&*unit).of::<star::Entity>().get(&star.id).await.unwrap(), star);
}

#[tokio::test]
async fn an_erased_user_takes_the_rows_that_follow_and_stays_named_in_the_others() {
    let world = world(bookmarks::schema()).await;
    let north = world.agency().await.unwrap();
    let (named, other) = (north.user().await.unwrap(), north.user().await.unwrap());
    for user in [&named, &other] {
        let row =
            bookmark::ActiveModel { user_id: Set(user.user.id.clone()), url: Set("a".into()), ..Default::default() };
        user.add(row).await.unwrap();
    }
    let star = star::ActiveModel { given_by: Set(Some(named.user.id.clone())), ..Default::default() };
    let star = north.add(star).await.unwrap();
    let marked = rylie_db::migration::Environment::Development;
    world.database().migrations().await.unwrap().mark_environment(marked, Some("a test")).await.unwrap();

    let platform = world.platform().await.unwrap();
    for user in [&named, &other] {
        assert!(platform.tenant_transfer().erase_user(&user.user.id).await.unwrap());
    }
    platform.commit().await.unwrap();

    let platform = world.platform().await.unwrap();
    let found = platform.users().find_many(&[named.user.id.clone(), other.user.id.clone()]).await.unwrap();
    let left: Vec<_> = found.iter().map(|user| &user.id).collect();
    assert_eq!(left, [&named.user.id], "a user whom a row names is kept as an id");
    assert_ne!(found[0].email, named.user.email);
    let own = platform.own().repository::<OwnTables>(|tables| tables);
    assert_eq!(own.of::<star::Entity>().get(&star.id).await.unwrap(), star);
}
