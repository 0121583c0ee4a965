//! A connection that is saved in one round trip, which is also its commit.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, NewGa4Connection, Result};
use rylie_testkit::{Lost, World};

use super::{PATIENCE, PLACES, Scene, To, is_unknown};
use crate::support::sql::Sql;

impl Scene {
    /// Saves the connection and opens what was stored.
    async fn save(&self, access: &str) -> Result<()> {
        let new = NewGa4Connection { property_id: Some(access.to_owned()), ..NewGa4Connection::new(access.into()) };
        let saving = self.store.save_ga4_connection(&self.scope, new);
        let saved = tokio::time::timeout(PATIENCE, saving).await.unwrap()?;
        let opened = self.store.tenant(&self.scope).deferred().await?.ga4_connections().open(&saved).await?;
        assert_eq!((saved.property_id.as_deref(), opened.access.expose().as_str()), (Some(access), access));
        Ok(())
    }

    /// Prepares the statement on all connections, so that the next call sends it at once.
    async fn prepare_saving(&self) {
        self.is_whole().await;
        for saved in futures_util::future::join_all((0..PLACES).map(|_| self.save("prepared"))).await {
            saved.unwrap();
        }
    }

    async fn saved_records(&self) -> u64 {
        let sql = "SELECT count(*)::text FROM \"AuditLog\" WHERE action = 'CONNECTION_SAVED'";
        Sql::connect(&self.url).await.one(sql).await.parse().unwrap()
    }

    async fn stored_property(&self) -> String {
        let sql = format!("SELECT \"propertyId\" FROM \"GA4Connection\" WHERE \"userId\" = '{}'", self.user);
        Sql::connect(&self.url).await.one(&sql).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_they_were_idle_lose_and_double_no_save() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.is_whole().await;
        let before = scene.saved_records().await;
        scene.proxy.sever().await;

        scene.save("after idle").await.unwrap();

        assert_eq!(scene.saved_records().await, before + 1, "{to:?}");
        assert_eq!(scene.stored_property().await, "after idle", "{to:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_or_a_lost_answer_saves_and_records_it_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for first in [true, false] {
        for lost in [Lost::ToServer, Lost::ToClient, Lost::Everything] {
            scene.prepare_saving().await;
            if first {
                Sql::connect(&scene.url).await.run("DELETE FROM \"GA4Connection\"").await;
            }
            let (text, before) = (format!("{lost:?} {first}"), scene.saved_records().await);
            scene.proxy.lose(lost);

            let (saved, ()) = tokio::join!(scene.save(&text), async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                scene.proxy.lose_nothing();
            });

            saved.unwrap();
            assert_eq!(scene.saved_records().await, before + 1, "{text}");
            assert_eq!(scene.stored_property().await, text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stays_away_leaves_the_outcome_of_a_save_unknown() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for (lost, saved) in [(Lost::ToServer, 0), (Lost::ToClient, 1)] {
        scene.prepare_saving().await;
        let (text, before) = (format!("{lost:?} for long"), scene.saved_records().await);
        scene.proxy.lose(lost);

        let error = scene.save(&text).await.unwrap_err();

        scene.proxy.lose_nothing();
        assert!(is_unknown(&error), "{lost:?}: {error:?}");
        assert_eq!(scene.saved_records().await, before + saved, "{lost:?}");
        assert_eq!(scene.stored_property().await == text, saved == 1, "{lost:?}");
    }
}

/// The first attempt is saved, and another caller saves before the second attempt: that one's values stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_does_not_overwrite_a_later_save() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.prepare_saving().await;
    let before = scene.saved_records().await;
    scene.proxy.lose(Lost::ToClient);
    let new = NewGa4Connection { property_id: Some("first".to_owned()), ..NewGa4Connection::new("first".into()) };

    let (first, ()) = tokio::join!(scene.store.save_ga4_connection(&scene.scope, new), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let new = NewGa4Connection { property_id: Some("later".to_owned()), ..NewGa4Connection::new("later".into()) };
        world.store().save_ga4_connection(&scene.scope, new).await.unwrap();
        scene.proxy.lose_nothing();
    });

    assert_eq!(first.unwrap().property_id.as_deref(), Some("later"));
    assert_eq!((scene.stored_property().await.as_str(), scene.saved_records().await), ("later", before + 2));
}

/// The server refuses the second attempt: its function has another name by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_second_attempt_is_no_unknown_outcome() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let renamed = async |from: &str, to: &str| {
        Sql::connect(&scene.url).await.run(&format!("ALTER FUNCTION public.{from} RENAME TO {to}")).await;
    };
    for (lost, saved) in [(Lost::ToServer, 0), (Lost::ToClient, 1)] {
        scene.prepare_saving().await;
        let (text, before) = (format!("{lost:?} and refused"), scene.saved_records().await);
        scene.proxy.lose(lost);

        let (done, ()) = tokio::join!(scene.save(&text), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            renamed("rylie_save_ga4_connection", "renamed").await;
            scene.proxy.lose_nothing();
        });

        renamed("renamed", "rylie_save_ga4_connection").await;
        match done {
            Ok(()) => assert_eq!(saved, 1, "{lost:?}"),
            Err(error) => assert!(saved == 0 && matches!(error, Error::Database(_)), "{lost:?}: {error:?}"),
        }
        assert_eq!(scene.saved_records().await, before + saved, "{lost:?}");
        assert_eq!(scene.stored_property().await == text, saved == 1, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_leaves_a_row_with_its_record_or_neither() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.save("first").await.unwrap();
    for microseconds in (0..4_000).step_by(100) {
        let mut sql = Sql::connect(&scene.url).await;
        if microseconds % 200 == 0 {
            sql.run("DELETE FROM \"GA4Connection\"").await;
        }
        sql.run("UPDATE \"GA4Connection\" SET \"propertyId\" = 'before'").await;
        let before = scene.saved_records().await;
        let text = format!("after {microseconds}");
        let _ = tokio::time::timeout(Duration::from_micros(microseconds), scene.save(&text)).await;
        scene.is_whole().await;
        let saved = "SELECT count(*)::text FROM \"GA4Connection\" WHERE \"propertyId\" LIKE 'after %'";
        let saved: u64 = sql.one(saved).await.parse().unwrap();
        assert_eq!(scene.saved_records().await, before + saved, "{text}");
    }
    scene.save("last").await.unwrap();
}
