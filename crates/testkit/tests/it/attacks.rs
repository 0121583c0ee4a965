//! Runs the attack suite against the tenant filter alone. `tests/mutations` runs it with parts of the filter removed.

use std::time::Duration;

use rylie_testkit::World;
use rylie_testkit::attacks::Attacks;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tenant_filter_holds_off_every_attack() {
    let world = World::sqlite().await.unwrap();

    let attacks = Attacks::on(&world);
    let attacks = Box::pin(attacks.through_units());
    // With a filter removed, a row can be visible but not writable, and a retry would never end.
    let report = tokio::time::timeout(Duration::from_mins(2), attacks).await;

    assert!(report.is_ok(), "BROKE [the tenant filter alone] an attack did not end within two minutes");
    report.unwrap().unwrap().assert_held();
}
