//! A slow network, one that splits traffic into single bytes, and one that resets connections.

use std::time::Duration;

use rylie_testkit::World;

use super::{Before, KINDS, Scene, To, is_lost_before_commit, is_unknown};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_travel_one_by_one_and_late_change_nothing() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.proxy.in_bytes(true);
        scene.proxy.delay_to_client(Duration::from_millis(20));
        scene.proxy.delay_to_server(Duration::from_millis(20));
        for kind in KINDS {
            let rows = scene.count(kind).await;
            kind.write_in_time(&scene, async |_| {}).await.unwrap();
            assert_eq!(scene.count(kind).await, rows + 1, "{kind:?} to the {to:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_lost_before_the_commit_and_unknown_during_it() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        for step in [Before::Statement, Before::Savepoint, Before::Commit] {
            for kind in KINDS {
                let resets = async |before| {
                    if before == step {
                        scene.proxy.reset().await;
                    }
                };
                let error = kind.write_in_time(&scene, resets).await.unwrap_err();
                let right = if step == Before::Commit { is_unknown(&error) } else { is_lost_before_commit(&error) };
                assert!(right, "{kind:?} to the {to:?}, {step:?}: {error:?}");
            }
        }
        // A unit that is not yet open uses another connection.
        for kind in KINDS {
            let resets = async |before| {
                if before == Before::Opening {
                    scene.proxy.reset().await;
                }
            };
            kind.write_in_time(&scene, resets).await.unwrap();
        }
        scene.is_whole().await;
    }
}

/// An answer after the time limit counts as lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_too_late_is_lost() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for (step, unknown) in [(Before::Statement, false), (Before::Commit, true)] {
        for kind in KINDS {
            scene.is_whole().await;
            let slows = async |before| {
                if before == step {
                    scene.proxy.delay_to_client(Duration::from_secs(30));
                }
            };
            let error = kind.write_in_time(&scene, slows).await.unwrap_err();
            scene.proxy.delay_to_client(Duration::ZERO);
            let right = if unknown { is_unknown(&error) } else { is_lost_before_commit(&error) };
            assert!(right, "{kind:?}, {step:?}: {error:?}");
        }
    }
    scene.is_whole().await;
}
