//! The integration tests: one binary, each behaviour mounted once per engine.

mod adoption;
mod cancellation;
mod entity_tables;
mod guide;
mod migration;
mod migrations;

/// Mounts every behaviour on one engine; a behaviour asks `super::world()` for a database of its own.
macro_rules! behaviours_on {
    ($engine:ident, $world:path) => {
        #[path = "behaviour"]
        mod $engine {
            async fn world() -> rylie_testkit::World {
                $world().await.unwrap()
            }

            mod audit;
            mod identity;
            mod isolation;
            mod platform;
            mod requests;
            mod secrets;
            mod seeding;
            mod units;
            mod usage;
            mod users;
        }
    };
}

behaviours_on!(sqlite, rylie_testkit::World::sqlite);
behaviours_on!(postgres, rylie_testkit::World::postgres);
