//! `save_ga4_connection` and `save_search_console_connection`: a connection in a separate unit, on PostgreSQL in one
//! round trip.

use chrono::TimeDelta;
use rylie_db::entities::{AuditLog, Env, Ga4Connection, Ga4ConnectionId, SearchConsoleConnectionId, UserRole};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, NewGa4Connection, NewSearchConsoleConnection, SettingsChanges};
use rylie_testkit::{TestAgency, World};

use super::world;
use crate::support::sql::Sql;

const SOME: &str = "it's \"quoted\" \\ back, ${x}, $1, {a,NULL}, (x,\"y\"), grüße 🚀";

fn ga4(access: &str) -> NewGa4Connection {
    NewGa4Connection::new(Secret::from(access))
}

async fn find(agency: &TestAgency<'_>, user: &UserId) -> Option<Ga4Connection> {
    agency.unit().await.unwrap().ga4_connections().find(user).await.unwrap()
}

/// Returns the records of saved connections, the oldest first.
async fn records(agency: &TestAgency<'_>) -> Vec<AuditLog> {
    let filter = AuditFilter { action: Some("CONNECTION_SAVED".to_owned()), ..Default::default() };
    let unit = agency.unit().await.unwrap();
    let mut items = unit.audit().list(filter, PageRequest::default()).await.unwrap().items;
    items.sort_by_key(|record| record.position);
    items
}

async fn count(world: &World) -> String {
    Sql::connect(world.url()).await.one(r#"SELECT CAST(count(*) AS text) FROM "GA4Connection""#).await
}

/// Adds a row as another writer does.
async fn plant(world: &World, id: &str, user: &UserId) {
    let sql = format!(
        r#"INSERT INTO "GA4Connection" (id, "userId", "accessToken", "createdAt", "updatedAt") VALUES ('{id}', '{user}', 'planted', '2025-01-01 00:00:00', '2025-01-01 00:00:00')"#
    );
    Sql::connect(world.url()).await.run(&sql).await;
}

#[tokio::test]
async fn what_is_returned_is_what_was_stored() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.store(), agency.scope());
    let user = agency.user().await.unwrap().user;
    let token = format!("{SOME}{}", "x".repeat(16_000));
    for refresh in [Some(SOME), None] {
        let new = NewGa4Connection {
            user: Some(user.id.clone()),
            refresh_token: refresh.map(Secret::from),
            expires: Some(world.env().now() + TimeDelta::hours(1)),
            property_id: Some(SOME.to_owned()),
            property_name: refresh.map(str::to_owned),
            ..ga4(&token)
        };

        let saved = store.save_ga4_connection(&scope, new).await.unwrap();

        assert_eq!(find(&agency, &user.id).await.as_ref(), Some(&saved));
        assert_eq!((&saved.id, &saved.tenant_id), (&Ga4ConnectionId::of(&user.id), &user.tenant_id));
        assert_eq!((saved.property_id.as_deref(), saved.property_name.as_deref()), (Some(SOME), refresh));
        assert!(saved.access_token.stored().starts_with("rylie1."));
        let opened = agency.unit().await.unwrap().ga4_connections().open(&saved).await.unwrap();
        assert_eq!(opened.access.expose(), &token);
        assert_eq!(opened.refresh, refresh.map(Secret::from));
    }

    let new = NewSearchConsoleConnection {
        site_url: Some(SOME.to_owned()),
        refresh_token: Some(Secret::from("refresh")),
        ..NewSearchConsoleConnection::new(Secret::from(SOME))
    };
    let saved = store.save_search_console_connection(&scope, new).await.unwrap();
    let unit = agency.unit().await.unwrap();
    let me = &agency.admin.user.id;
    assert_eq!(unit.search_console_connections().find(me).await.unwrap().as_ref(), Some(&saved));
    assert_eq!((&saved.id, saved.site_url.as_deref()), (&SearchConsoleConnectionId::of(me), Some(SOME)));
    let opened = unit.search_console_connections().open(&saved).await.unwrap();
    assert!(opened.access == Secret::from(SOME) && opened.refresh == Some(Secret::from("refresh")));
}

#[tokio::test]
async fn a_second_save_replaces_the_values_and_keeps_id_and_creation() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope, me) = (world.store(), agency.scope(), agency.admin.user.id.clone());
    let expires = Some(world.env().now());
    let new =
        NewGa4Connection { refresh_token: Some("r".into()), expires, property_id: Some("p".into()), ..ga4("one") };
    let first = store.save_ga4_connection(&scope, new).await.unwrap();
    world.env().forward(TimeDelta::minutes(1));

    let second = store.save_ga4_connection(&scope, ga4("two")).await.unwrap();

    assert_eq!((&second.id, second.created_at), (&first.id, first.created_at));
    assert!(second.updated_at > first.updated_at);
    assert_eq!((&second.refresh_token, second.expires_at, &second.property_id), (&None, None, &None));
    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.ga4_connections().open(&second).await.unwrap().access, Secret::from("two"));
    unit.ga4_connections().remove(&me).await.unwrap();
    unit.commit().await.unwrap();
    // The row has the same id again, in a unit as well.
    let third = store.save_ga4_connection(&scope, ga4("three")).await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.ga4_connections().remove(&me).await.unwrap();
    let fourth = unit.ga4_connections().save(ga4("four")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!((&third.id, &fourth.id), (&first.id, &first.id));
    assert_eq!(find(&agency, &me).await, Some(fourth));
}

#[tokio::test]
async fn a_row_of_another_writer_keeps_its_id() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let me = agency.admin.user.id.clone();
    plant(&world, "cmwt6ln8p00xjeg7dn14141ug", &me).await;

    let saved = world.store().save_ga4_connection(&agency.scope(), ga4("token")).await.unwrap();

    assert_eq!(saved.id.as_str(), "cmwt6ln8p00xjeg7dn14141ug");
    assert_eq!(find(&agency, &me).await.as_ref(), Some(&saved));
    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.ga4_connections().open(&saved).await.unwrap().access, Secret::from("token"));
    assert!(unit.ga4_connections().open_tokens(&me).await.unwrap().unwrap().access == Secret::from("token"));
    drop(unit);
    assert_eq!((count(&world).await.as_str(), records(&agency).await.len()), ("1", 1));
}

/// As in a database to which somebody imported such rows.
#[tokio::test]
async fn an_id_that_a_foreign_row_has_is_not_used() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (ann, bob) = (agency.user().await.unwrap().user.id, agency.user().await.unwrap().user.id);
    let stranger = other.admin.user.id.clone();
    // Ann's id in another tenant, and Bob's in the same one.
    plant(&world, Ga4ConnectionId::of(&ann).as_str(), &stranger).await;
    plant(&world, Ga4ConnectionId::of(&bob).as_str(), &agency.admin.user.id).await;
    let theirs = [find(&other, &stranger).await, find(&agency, &agency.admin.user.id).await];
    let of = |user: &UserId| NewGa4Connection { user: Some(user.clone()), ..ga4("token") };

    let at_once = world.store().save_ga4_connection(&agency.scope(), of(&ann)).await.unwrap();
    let unit = agency.unit().await.unwrap();
    let in_unit = unit.ga4_connections().save(of(&bob)).await.unwrap();
    unit.commit().await.unwrap();

    assert_ne!(at_once.id, Ga4ConnectionId::of(&ann));
    assert_ne!(in_unit.id, Ga4ConnectionId::of(&bob));
    assert_eq!([find(&agency, &ann).await, find(&agency, &bob).await], [Some(at_once.clone()), Some(in_unit.clone())]);
    assert_eq!([find(&other, &stranger).await, find(&agency, &agency.admin.user.id).await], theirs);
    let unit = agency.unit().await.unwrap();
    for row in [&at_once, &in_unit] {
        assert_eq!(unit.ga4_connections().open(row).await.unwrap().access, Secret::from("token"));
    }
    drop(unit);
    let recorded = records(&agency).await.into_iter().filter_map(|record| record.resource_id).collect::<Vec<_>>();
    assert_eq!(recorded, [at_once.id.to_string(), in_unit.id.to_string()]);
    let again = world.store().save_ga4_connection(&agency.scope(), of(&ann)).await.unwrap();
    assert_eq!(again.id, at_once.id);
}

#[tokio::test]
async fn nothing_is_saved_for_a_user_out_of_reach_or_with_a_value_that_is_not_allowed() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (ann, bob) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap();
    let store = world.store();
    let of = |user: &UserId| NewGa4Connection { user: Some(user.clone()), ..ga4("token") };

    for user in [&other.admin.user.id, &"nobody".parse().unwrap(), &"it's".parse().unwrap()] {
        let foreign = store.save_ga4_connection(&agency.scope(), of(user)).await;
        assert!(matches!(foreign, Err(Error::NotFound { entity: "User" })), "{foreign:?}");
    }
    let colleague = store.save_ga4_connection(&ann.scope(), of(&bob.user.id)).await;
    assert!(matches!(colleague, Err(Error::NotFound { entity: "User" })), "{colleague:?}");
    let refused = store.save_ga4_connection(&agency.scope(), of(&root.user.id)).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    for new in [
        ga4(""),
        ga4(&"x".repeat(16_385)),
        NewGa4Connection { refresh_token: Some("".into()), ..ga4("t") },
        NewGa4Connection { property_id: Some("a\0b".into()), ..ga4("t") },
        NewGa4Connection { property_name: Some("x".repeat(4_097)), ..ga4("t") },
        NewGa4Connection { expires: Some(chrono::DateTime::<chrono::Utc>::MAX_UTC), ..ga4("t") },
    ] {
        let invalid = store.save_ga4_connection(&agency.scope(), new).await;
        assert!(matches!(invalid, Err(Error::Invalid { .. })), "{invalid:?}");
    }
    let bare = Database::connect(Config::new(world.url()).unwrap()).await.unwrap();
    let without_keys = bare.store().save_ga4_connection(&agency.scope(), ga4("t")).await;
    assert!(matches!(without_keys, Err(Error::NoKeyring)), "{without_keys:?}");
    let sql = format!(r#"UPDATE "User" SET "agencyId" = '{}' WHERE id = '{}'"#, other.agency.id, bob.user.id);
    Sql::connect(world.url()).await.run(&sql).await;
    let left = store.save_ga4_connection(&bob.scope(), ga4("t")).await;
    assert!(matches!(left, Err(Error::NotFound { entity: "User" })), "{left:?}");

    assert_eq!((count(&world).await.as_str(), records(&agency).await.len()), ("0", 0));
    let own = store.save_ga4_connection(&ann.scope(), ga4("t")).await.unwrap();
    assert_eq!(own.user_id, ann.user.id);
    let of_root = store.save_ga4_connection(&root.scope(), ga4("t")).await.unwrap();
    assert_eq!(of_root.user_id, root.user.id);
}

#[tokio::test]
async fn it_is_recorded_as_in_a_unit_and_whatever_the_settings_say() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let origin = Origin { user_agent: Some("it's \"a\" browser".into()), ..Origin::default() };
    let scope = TenantScope::of(&agency.admin.signed_in, origin);
    let store = world.store();
    let saved = store.save_ga4_connection(&scope, ga4("one")).await.unwrap();
    let unit = store.tenant(&scope).await.unwrap();
    unit.ga4_connections().save(ga4("two")).await.unwrap();
    unit.commit().await.unwrap();

    let found = records(&agency).await;
    assert_eq!(found[0].resource_id.as_deref(), Some(saved.id.as_str()));
    let (id, position, created_at) = (found[1].id.clone(), found[1].position, found[1].created_at);
    assert_eq!(AuditLog { id, position, created_at, ..found[0].clone() }, found[1]);

    let unit = world.platform().await.unwrap();
    unit.settings().ensure().await.unwrap();
    let off = SettingsChanges { audit_logging: Some(false), ..Default::default() };
    unit.settings().update(off).await.unwrap();
    unit.commit().await.unwrap();
    store.save_ga4_connection(&scope, ga4("three")).await.unwrap();
    assert_eq!(records(&agency).await.len(), 3);
}

#[tokio::test]
async fn first_saves_at_once_end_well_or_in_contention() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope, me) = (world.store(), agency.scope(), agency.admin.user.id.clone());
    let saves = (0..8).map(|number| store.save_ga4_connection(&scope, ga4(&format!("token {number}"))));

    let ended = futures_util::future::join_all(saves).await;

    assert!(ended.iter().all(|saved| matches!(saved, Ok(_) | Err(Error::Contention))), "{ended:?}");
    let well = ended.into_iter().flatten().collect::<Vec<_>>();
    let stored = find(&agency, &me).await.unwrap();
    assert!(well.contains(&stored), "the row is none of those that were saved");
    assert_eq!((count(&world).await.as_str(), records(&agency).await.len()), ("1", well.len()));
    let unit = agency.unit().await.unwrap();
    for row in &well {
        assert!(unit.ga4_connections().open(row).await.unwrap().access.expose().starts_with("token "));
    }
}

#[tokio::test]
async fn a_read_row_opens_without_a_statement_for_its_user_and_with_the_rules_of_a_read_for_another() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let store = world.store();
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap();
    let (ann, me) = (agency.user().await.unwrap(), agency.admin.user.id.clone());
    let mine = store.save_ga4_connection(&agency.scope(), ga4("mine")).await.unwrap();
    let anns = store.save_ga4_connection(&ann.scope(), ga4("ann's")).await.unwrap();
    let roots = store.save_ga4_connection(&root.scope(), ga4("root's")).await.unwrap();
    let theirs = store.save_ga4_connection(&other.scope(), ga4("theirs")).await.unwrap();
    assert_eq!(find(&agency, &root.user.id).await.as_ref(), Some(&roots), "an administrator sees the sealed row");

    let unit = agency.unit().await.unwrap();
    let before = unit.statements();
    assert_eq!(unit.ga4_connections().open(&mine).await.unwrap().access, Secret::from("mine"));
    assert_eq!(unit.statements(), before);
    assert_eq!(unit.ga4_connections().open(&anns).await.unwrap().access, Secret::from("ann's"));
    assert_eq!(unit.statements(), before + 1);
    let refused = unit.ga4_connections().open(&roots).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    let foreign = unit.ga4_connections().open(&theirs).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
    // A row with other values than it was sealed for opens for nobody.
    let tenant_id = mine.tenant_id.clone();
    for row in [
        Ga4Connection { user_id: me.clone(), ..anns.clone() },
        Ga4Connection { id: anns.id.clone(), ..mine.clone() },
        Ga4Connection { access_token: anns.access_token.clone(), ..mine.clone() },
        Ga4Connection { user_id: me, tenant_id: tenant_id.clone(), ..theirs.clone() },
    ] {
        let moved = unit.ga4_connections().open(&row).await;
        assert!(matches!(moved, Err(Error::Secret(_))), "{moved:?}");
    }
    let hidden = unit.ga4_connections().open(&Ga4Connection { tenant_id, ..theirs.clone() }).await;
    assert!(matches!(hidden, Err(Error::NotFound { .. })), "{hidden:?}");
    drop(unit);
    let colleague = ann.unit().await.unwrap().ga4_connections().open(&mine).await;
    assert!(matches!(colleague, Err(Error::NotFound { .. })), "{colleague:?}");
    let unit = world.platform().await.unwrap();
    assert_eq!(unit.ga4_connections().open(&theirs).await.unwrap().access, Secret::from("theirs"));
}
