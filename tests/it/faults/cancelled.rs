//! Cancelled callers on a silent network.

use std::time::Duration;

use rylie_testkit::{Lost, World};

use super::{Before, KINDS, PLACES, Scene, To};

/// The rollback for a cancelled caller waits for the server, and keeps a place in the pool until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_give_up_keep_no_place_for_ever() {
    let world = World::postgres().await.unwrap();
    let world = &world;
    let all = [Before::Opening, Before::Statement, Before::Savepoint, Before::Commit].map(|step| async move {
        let scene = Scene::of(world, To::Server).await;
        for kind in KINDS {
            scene.is_whole().await;
            // One caller for each place of the pool.
            let given_up = (0..PLACES).map(|_| {
                tokio::time::timeout(
                    Duration::from_millis(300),
                    kind.write(&scene, async |before| {
                        if before == step {
                            scene.proxy.lose(Lost::Everything);
                        }
                    }),
                )
            });
            let given_up = futures_util::future::join_all(given_up).await;
            assert!(given_up.iter().any(Result::is_err), "{kind:?} at {step:?}: nobody gave up");
            scene.proxy.lose_nothing();
        }
        scene.is_whole().await;
    });
    futures_util::future::join_all(all).await;
}
