//! The answer to a commit is lost: it was done or not, and the caller gets an unknown outcome.

use std::error::Error as _;

use rylie_db::prelude::StoreExt;
use rylie_testkit::{Cluster, DelayProxy, OnCommit, World};

use super::{Before, KINDS, Kind, PATIENCE, Scene, To, is_lost_before_commit, is_unknown, request};

const FAULTS: [(OnCommit, i64); 4] =
    [(OnCommit::CutBefore, 0), (OnCommit::SwallowBefore, 0), (OnCommit::CutAnswer, 1), (OnCommit::SwallowAnswer, 1)];

async fn each_fault_is_reported(to: To) {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, to).await;
    for (fault, done) in FAULTS {
        for kind in KINDS {
            scene.is_whole().await;
            let (rows, commits) = (scene.count(kind).await, scene.proxy.commits());

            let broken = async |before| {
                if before == Before::Commit {
                    scene.proxy.on_commit(fault);
                }
            };
            let error = kind.write_in_time(&scene, broken).await.unwrap_err();

            scene.proxy.on_commit(OnCommit::Pass);
            assert!(is_unknown(&error), "{kind:?}, {fault:?}: {error:?}");
            assert!(scene.proxy.commits() > commits, "the commit was on the wire");
            assert_eq!(scene.count(kind).await - rows, done, "{kind:?}, {fault:?}");
        }
    }
    scene.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_commit_is_an_unknown_outcome() {
    each_fault_is_reported(To::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_commit_is_an_unknown_outcome_behind_a_pooler() {
    each_fault_is_reported(To::Pooler).await;
}

#[tokio::test]
async fn a_commit_that_reports_its_position_may_be_lost_as_well() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for (fault, done) in FAULTS {
        let rows = scene.count(Kind::Tenant).await;
        let unit = scene.store.tenant(&scene.scope).await.unwrap();
        unit.requests().add(request("t")).await.unwrap();
        scene.proxy.on_commit(fault);
        let error = tokio::time::timeout(PATIENCE, unit.commit_with_position()).await.unwrap().unwrap_err();
        scene.proxy.on_commit(OnCommit::Pass);

        assert!(is_unknown(&error), "{fault:?}: {error:?}");
        assert_eq!(scene.count(Kind::Tenant).await - rows, done, "{fault:?}");
        scene.is_whole().await;
    }
}

/// A pooler that lost its server reports `08P01` on a working connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_lost_behind_a_pooler_during_a_commit_is_an_unknown_outcome() {
    let world = World::postgres().await.unwrap();
    let cluster = Cluster::shared().await.unwrap();
    // Between the pooler and the server.
    let behind = DelayProxy::start(cluster.address()).await.unwrap();
    let pooler = cluster.pooler_before(&behind.address().to_string()).await.unwrap();
    let before = DelayProxy::start(pooler.address()).await.unwrap();
    let url = world.url_through(&before).unwrap();
    let scene = Scene::over(&world, before, &url, true).await;
    for (fault, done) in [(OnCommit::CutBefore, 0), (OnCommit::CutAnswer, 1)] {
        for kind in KINDS {
            scene.is_whole().await;
            let rows = scene.count(kind).await;
            let broken = async |before| {
                if before == Before::Commit {
                    behind.on_commit(fault);
                }
            };
            let error = kind.write_in_time(&scene, broken).await.unwrap_err();
            behind.on_commit(OnCommit::Pass);

            assert!(is_unknown(&error), "{kind:?}, {fault:?}: {error:?}");
            let reported = error.source().unwrap().to_string();
            assert!(reported.contains("08P01"), "{reported}");
            assert_eq!(scene.count(kind).await - rows, done, "{kind:?}, {fault:?}");
        }
    }
    scene.is_whole().await;

    // Before the commit nothing has happened, and the unit can be retried.
    for kind in KINDS {
        let rows = scene.count(kind).await;
        let broken = async |before| {
            if before == Before::Statement {
                behind.sever().await;
            }
        };
        let error = kind.write_in_time(&scene, broken).await.unwrap_err();
        assert!(is_lost_before_commit(&error), "{kind:?}: {error:?}");
        assert_eq!(scene.count(kind).await, rows);
    }
}
