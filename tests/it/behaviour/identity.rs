//! Sign-in, sessions and one-time tokens.

use chrono::TimeDelta;
use rylie_db::entities::Env;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, Reach};

use crate::support::sql::Sql;

use super::world;

#[tokio::test]
async fn a_session_leads_to_its_user_until_it_expires() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap();
    let identity = world.store().identity().await.unwrap();

    let found = identity.sessions().signed_in(&user.session).await.unwrap().unwrap();
    assert_eq!((found.id(), found.role(), found.agency()), (&user.user.id, UserRole::User, Some(&agency.agency.id)));
    assert_eq!(TenantScope::of(&found, Origin::default()).reach(), Reach::Own);

    world.env().forward(TimeDelta::hours(8));
    assert_eq!(identity.sessions().signed_in(&user.session).await.unwrap(), None, "expired at that instant");
}

#[tokio::test]
async fn an_unknown_an_ended_and_an_empty_token_lead_nowhere() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let identity = world.store().identity().await.unwrap();
    identity.sessions().end(&user.session).await.unwrap();
    for token in [user.session, Token::new(""), Token::new("x' OR '1'='1"), Token::new("%")] {
        assert_eq!(identity.sessions().signed_in(&token).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_expired_session_is_not_extended() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let identity = world.store().identity().await.unwrap();
    let later = || world.env().now() + TimeDelta::hours(20);

    identity.sessions().extend(&user.session, later()).await.unwrap();
    world.env().forward(TimeDelta::hours(19));
    assert!(identity.sessions().signed_in(&user.session).await.unwrap().is_some());

    world.env().forward(TimeDelta::hours(2));
    assert!(matches!(identity.sessions().extend(&user.session, later()).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_role_taken_away_is_gone_at_the_next_call() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = world.platform().await.unwrap();
    unit.users().set_role(&agency.admin.user.id, UserRole::User).await.unwrap();
    unit.commit().await.unwrap();

    let identity = world.store().identity().await.unwrap();
    let found = identity.sessions().signed_in(&agency.admin.session).await.unwrap().unwrap();
    assert_eq!(TenantScope::of(&found, Origin::default()).reach(), Reach::Own);
}

#[tokio::test]
async fn users_are_found_by_their_address_in_any_case() {
    let world = world().await;
    world.user().email("Ann@Example.com").build().await.unwrap();
    let identity = world.store().identity().await.unwrap();

    for email in ["ann@example.com", "ANN@EXAMPLE.COM", " ann@example.com "] {
        assert!(identity.identities().find_by_email(email).await.unwrap().is_some(), "{email}");
    }
    for email in ["bob@example.com", "", "ann", "%@example.com"] {
        assert!(identity.identities().find_by_email(email).await.unwrap().is_none(), "{email}");
    }
}

#[tokio::test]
async fn a_stranger_signs_up_as_a_plain_user_of_no_agency() {
    let world = world().await;
    let identity = world.store().identity().await.unwrap();

    let user = identity.identities().sign_up("New@Example.com", None).await.unwrap();
    let user = identity.identities().confirm_email(&user.id).await.unwrap();

    assert_eq!((user.email.as_str(), user.role, user.agency_id), ("new@example.com", UserRole::User, None));
    assert!(user.email_verified.is_some());
    assert_eq!(user.tenant_id.as_str(), format!("user:{}", user.id));
}

#[tokio::test]
async fn a_verification_token_is_good_once_for_its_address_and_in_time() {
    let world = world().await;
    let identity = world.store().identity().await.unwrap();
    let tokens = identity.verification_tokens();
    let soon = world.env().now() + TimeDelta::hours(1);

    let token = tokens.issue("ann@example.com", soon).await.unwrap();
    assert!(!tokens.consume("bob@example.com", &token).await.unwrap());
    assert!(tokens.consume("ann@example.com", &token).await.unwrap());
    assert!(!tokens.consume("ann@example.com", &token).await.unwrap());

    let late = tokens.issue("ann@example.com", soon).await.unwrap();
    world.env().forward(TimeDelta::hours(1));
    assert!(!tokens.consume("ann@example.com", &late).await.unwrap());
}

#[tokio::test]
async fn the_expired_are_removed_and_the_others_stay() {
    use rylie_db::maintenance::{RemovedExpired, Sweep, remove_expired};

    let world = world().await;
    let (old, young) = (world.user().build().await.unwrap(), world.user().build().await.unwrap());
    let identity = world.store().identity().await.unwrap();
    identity.verification_tokens().issue("a@example.com", world.env().now() + TimeDelta::hours(1)).await.unwrap();
    identity.sessions().extend(&young.session, world.env().now() + TimeDelta::hours(20)).await.unwrap();
    identity.commit().await.unwrap();
    world.env().forward(TimeDelta::hours(8));

    let removed = remove_expired(&*world.store(), &Sweep::default()).await.unwrap();

    assert_eq!(removed, RemovedExpired { sessions: 1, verification_tokens: 1, idempotency_keys: 0 });
    let identity = world.store().identity().await.unwrap();
    assert!(identity.sessions().signed_in(&young.session).await.unwrap().is_some());
    assert!(identity.sessions().signed_in(&old.session).await.unwrap().is_none());
}

#[tokio::test]
async fn a_kind_that_cannot_be_removed_keeps_no_other_and_is_reported() {
    use rylie_db::maintenance::{Error as JobError, Sweep, remove_expired};

    const KINDS: [&str; 3] = ["Session", "VerificationToken", "IdempotencyKey"];
    for refused in KINDS {
        let world = world().await;
        let agency = world.agency().await.unwrap();
        let identity = world.store().identity().await.unwrap();
        identity.verification_tokens().issue("a@example.com", world.env().now() + TimeDelta::hours(1)).await.unwrap();
        identity.commit().await.unwrap();
        let unit = agency.unit().await.unwrap();
        unit.idempotency().claim("key", "the call").await.unwrap();
        unit.idempotency().answer("key", "the answer").await.unwrap();
        unit.commit().await.unwrap();
        world.env().forward(TimeDelta::days(2));
        let mut sql = Sql::connect(world.url()).await;
        sql.refuse_removal(refused).await;

        let failed = remove_expired(&*world.store(), &Sweep::default()).await;

        assert!(matches!(&failed, Err(JobError::Data { .. })), "{failed:?}");
        for table in KINDS {
            let left = sql.one(&format!("SELECT CAST(count(*) AS text) FROM \"{table}\"")).await;
            assert_eq!(left, if table == refused { "1" } else { "0" }, "{table} where {refused} is refused");
        }
    }
}

#[tokio::test]
async fn an_address_that_the_old_service_stored_in_capitals_is_found_and_taken() {
    let world = world().await;
    let user = world.user().build().await.unwrap().user;
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(r#"UPDATE "User" SET "email" = 'Legacy.User+0@Mail.example' WHERE "id" = '{}'"#, user.id)).await;
    let identity = world.store().identity().await.unwrap();

    for email in ["legacy.user+0@mail.example", "LEGACY.USER+0@MAIL.EXAMPLE", "Legacy.User+0@Mail.example"] {
        let found = identity.identities().find_by_email(email).await.unwrap();
        assert_eq!(found.map(|found| found.id), Some(user.id.clone()), "{email}");
        let again = identity.identities().sign_up(email, None).await;
        assert!(matches!(again, Err(Error::Conflict { .. })), "{email}");
    }
}
