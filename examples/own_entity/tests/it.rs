//! Comments stay in their agency, on both engines; a service that uses them is tested without a database.

use own_entity::{Comments, NewComment, comment, schema};
use rylie_db::own::*;
use rylie_testkit::{World, own::assert_isolated};

async fn behaves(world: World) {
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap().id;
    let new = NewComment { request: request.clone(), reply_to: None, body: "Call".to_owned(), phone: Some("1".into()) };
    let unit = ours.unit().await.unwrap();
    let comment = unit.comments().add(new.clone()).await.unwrap();
    let reply = NewComment { reply_to: Some(comment.id.clone()), ..new.clone() };
    assert_eq!(unit.comments().add(reply).await.unwrap().reply_to, Some(comment.id.clone()));
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    assert!(matches!(unit.comments().phone(&comment.id).await, Err(Error::NotFound { .. })));
    assert!(matches!(unit.comments().add(new).await, Err(Error::NotFound { .. })));
    assert!(unit.comments().report().await.unwrap().is_empty());
    assert_isolated::<comment::Entity>(&world).await;
}

#[tokio::test]
async fn comments_stay_in_their_agency_on_sqlite() {
    behaves(World::sqlite_with(schema()).await.unwrap()).await;
}

#[tokio::test]
async fn comments_stay_in_their_agency_on_postgres() {
    behaves(World::postgres_with(schema()).await.unwrap()).await;
}
