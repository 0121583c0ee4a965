//! Runs the testkit's attack suite, as users run it.

use rylie_testkit::attacks::{Attacks, Walls};

use super::world;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walls_hold_off_every_attack() {
    let world = world().await;

    let report = Attacks::on(&world).run().await.unwrap();

    report.assert_held();
    let behind = |walls| report.attacks().iter().filter(|attack| attack.walls == walls).count();
    assert!(behind(Walls::Fence) > 15, "{report}");
    let (both, by_sql) = (behind(Walls::Both), behind(Walls::RowLevelSecurity));
    assert!(if world.is_postgres() { both > 15 && by_sql > 60 } else { both + by_sql == 0 }, "{report}");
}
