//! The attack suite against the fence alone. `tests/mutations` runs it on a fence with holes.

use std::time::Duration;

use rylie_testkit::World;
use rylie_testkit::attacks::Attacks;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_holds_off_every_attack() {
    let world = World::sqlite().await.unwrap();

    let attacks = Attacks::on(&world);
    let attacks = Box::pin(attacks.through_the_doors());
    // What is read through a hole and cannot be written may be tried again for ever.
    let report = tokio::time::timeout(Duration::from_mins(2), attacks).await;

    assert!(report.is_ok(), "BROKE [the fence alone] an attack came to no end");
    report.unwrap().unwrap().assert_held();
}
