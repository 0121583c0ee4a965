//! Runs the testkit's attack suite, as users run it.

use rylie_testkit::attacks::{Attacks, Layers};

use super::world;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_isolation_layers_hold_off_every_attack() {
    let world = world().await;

    let report = Attacks::on(&world).run().await.unwrap();

    report.assert_held();
    let behind = |layers| report.attacks().iter().filter(|attack| attack.layers == layers).count();
    assert!(behind(Layers::TenantFilter) > 15, "{report}");
    let (both, by_sql) = (behind(Layers::Both), behind(Layers::RowLevelSecurity));
    assert!(if world.is_postgres() { both > 15 && by_sql > 60 } else { both + by_sql == 0 }, "{report}");
}
