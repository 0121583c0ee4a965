//! The attack suite against the fence alone. `tests/mutations` runs it on a fence with holes.

use rylie_testkit::World;
use rylie_testkit::attacks::Attacks;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_holds_off_every_attack() {
    let world = World::sqlite().await.unwrap();

    Attacks::on(&world).through_the_doors().await.unwrap().assert_held();
}
