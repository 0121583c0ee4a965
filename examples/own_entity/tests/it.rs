//! Comments stay in their agency, on both engines.

use own_entity::{Comments, comment, schema};
use rylie_db::own::*;
use rylie_testkit::{World, own::assert_isolated};

#[tokio::test]
async fn comments_stay_in_their_agency() {
    for world in [World::sqlite_with(schema()).await.unwrap(), World::postgres_with(schema()).await.unwrap()] {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        let request = ours.request().await.unwrap().id;
        let unit = ours.unit().await.unwrap();
        let comment = unit.comments().add(&request, None, "Call").await.unwrap();
        unit.comments().set_phone(&comment.id, &"1".into()).await.unwrap();
        let reply = unit.comments().add(&request, Some(comment.id.clone()), "Done").await.unwrap();
        assert_eq!(unit.comments().replies(&[comment.id.clone()]).await.unwrap()[comment.id.as_str()], [reply]);
        unit.commit().await.unwrap();

        let unit = theirs.unit().await.unwrap();
        assert!(matches!(unit.comments().phone(&comment.id).await, Err(Error::NotFound { .. })));
        assert!(matches!(unit.comments().add(&request, None, "Hello").await, Err(Error::NotFound { .. })));
        assert!(unit.comments().report().await.unwrap().is_empty());
        assert_isolated::<comment::Entity>(&world).await;
    }
}
