//! Compares applied migrations with this version's.

use rylie_migration::{Error, MIGRATIONS, MigrationState, MigrationStatus, Migrations, Refusal, Resolution, Step};

use crate::support::made::{List, Made, list, migrations_of};
use crate::support::sql::{Sql, deploy, migrations};

const A: &str = "m99990101_000001_make_a";
const B: &str = "m99990101_000002_make_b";
const C: &str = "m99990101_000003_make_c";

fn a_and_b() -> List {
    list([Made::table(A, "a"), Made::table(B, "b")])
}

async fn deployed(url: &str, list: List) {
    migrations_of(url, list).await.deploy(&mut |_| ()).await.unwrap();
}

async fn refused(migrations: &mut Migrations) -> Refusal {
    match migrations.deploy(&mut |_| ()).await {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn state(migrations: &mut Migrations, name: &str) -> MigrationState {
    let status: Vec<MigrationStatus> = migrations.status().await.unwrap();
    status.into_iter().find(|status| status.name == name).unwrap().state
}

pub(crate) async fn an_edited_migration_is_refused(url: &str) {
    deployed(url, a_and_b()).await;
    let mut edited = Made::table(A, "a");
    edited.up = vec![Step::Sql("CREATE TABLE IF NOT EXISTS a (n integer, m integer)".into())];
    let mut migrations = migrations_of(url, list([edited, Made::table(B, "b")])).await;

    assert_eq!(state(&mut migrations, A).await, MigrationState::Edited);
    assert!(matches!(refused(&mut migrations).await, Refusal::Edited { migration, .. } if migration == A));

    migrations.resolve(A, Resolution::Applied, "a comment in the column list").await.unwrap();
    assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), Vec::<String>::new());
    assert_eq!(state(&mut migrations, B).await, MigrationState::Applied);
}

pub(crate) async fn a_missing_migration_is_refused(url: &str) {
    deployed(url, a_and_b()).await;
    let mut without = migrations_of(url, list([Made::table(B, "b")])).await;
    assert_eq!(state(&mut without, A).await, MigrationState::Missing);
    assert!(matches!(refused(&mut without).await, Refusal::Missing { migration, .. } if migration == A));

    // Also if SeaORM's table lacks a migration that our record has.
    let mut sql = Sql::connect(url).await;
    sql.run(&format!("DELETE FROM seaql_migrations WHERE version = '{A}'")).await;
    let mut whole = migrations_of(url, a_and_b()).await;
    assert!(matches!(refused(&mut whole).await, Refusal::Missing { migration, .. } if migration == A));
    whole.resolve(A, Resolution::Applied, "the table is there").await.unwrap();
    assert_eq!(state(&mut whole, A).await, MigrationState::Applied);
}

pub(crate) async fn a_migration_put_in_before_an_applied_one_is_refused(url: &str) {
    deployed(url, list([Made::table(B, "b")])).await;
    let mut migrations = migrations_of(url, a_and_b()).await;

    assert_eq!(state(&mut migrations, A).await, MigrationState::Inserted);
    assert!(
        matches!(refused(&mut migrations).await, Refusal::Inserted { migration, detail } if (&*migration, &*detail) == (A, B))
    );
    assert!(Sql::connect(url).await.try_run("SELECT * FROM a").await.is_err());
}

pub(crate) async fn a_renamed_migration_is_refused(url: &str) {
    deployed(url, a_and_b()).await;
    let mut migrations = migrations_of(url, list([Made::table(B, "b"), Made::table(C, "a")])).await;

    assert_eq!(state(&mut migrations, C).await, MigrationState::Renamed);
    assert!(
        matches!(refused(&mut migrations).await, Refusal::Renamed { migration, detail } if (&*migration, &*detail) == (C, A))
    );

    migrations.resolve(C, Resolution::Applied, "renamed before the release").await.unwrap();
    let status = migrations.status().await.unwrap();
    assert!(status.iter().all(|status| status.state == MigrationState::Applied && status.name != A), "{status:?}");
}

/// A change to the record breaks its hash chain.
pub(crate) async fn a_forged_record_is_refused(url: &str) {
    let mut sql = Sql::connect(url).await;
    for forgery in [
        format!("UPDATE rylie_migrations SET checksum = 'x' WHERE name = '{A}'"),
        format!("UPDATE rylie_migrations SET chain = 'x' WHERE name = '{B}'"),
        format!("DELETE FROM rylie_migrations WHERE name = '{A}'"),
    ] {
        deployed(url, a_and_b()).await;
        sql.run(&forgery).await;
        let mut migrations = migrations_of(url, a_and_b()).await;
        assert!(matches!(refused(&mut migrations).await, Refusal::Edited { .. }), "{forgery}");
        for name in [A, B] {
            if state(&mut migrations, name).await != MigrationState::Applied {
                migrations.resolve(name, Resolution::Applied, "looked").await.unwrap();
            }
        }
        assert_eq!(migrations.deploy(&mut |_| ()).await.unwrap(), Vec::<String>::new(), "{forgery}");
    }
}

/// In a database from before the record, applied migrations are assumed to be this version's.
pub(crate) async fn what_an_earlier_version_applied_is_trusted_on_first_use(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    sql.run("DROP TABLE rylie_migrations").await;
    assert!(migrations(url).await.status().await.unwrap().iter().all(|status| status.state == MigrationState::Applied));

    assert_eq!(deploy(url).await, Vec::<String>::new());

    let linked =
        "SELECT CAST(count(*) AS text) FROM rylie_migrations WHERE length(chain) = 64 AND finished_at IS NOT NULL";
    assert_eq!(sql.one(linked).await, MIGRATIONS.len().to_string());
    assert!(migrations(url).await.status().await.unwrap().iter().all(|status| status.state == MigrationState::Applied));
}

/// The record contains the step and the error class, and no value; the corrected migration continues.
pub(crate) async fn a_failed_migration_says_where_and_goes_on_when_fixed(url: &str) {
    let failing = |second: &'static str| {
        let mut made = Made::table(A, "a");
        made.up.push(Step::Sql(second.into()));
        list([made])
    };
    let mut migrations = migrations_of(url, failing("INSERT INTO a VALUES ('canary', 1, 2)")).await;
    assert!(matches!(migrations.deploy(&mut |_| ()).await, Err(Error::Step { step: 2, .. })));

    let status = migrations.status().await.unwrap().pop().unwrap();
    assert_eq!(status.state, MigrationState::Failed);
    let detail = status.detail.unwrap();
    assert!(detail.contains("error") && !detail.contains("canary"), "{detail}");

    let mut fixed = migrations_of(url, failing("INSERT INTO a VALUES (1)")).await;
    assert_eq!(fixed.deploy(&mut |_| ()).await.unwrap(), [A]);
    assert_eq!(state(&mut fixed, A).await, MigrationState::Applied);
}

pub(crate) async fn a_check_that_does_not_hold_fails_the_migration(url: &str) {
    let checked = |verify| list([Made { verify: Some(verify), ..Made::table(A, "a") }]);
    let mut migrations = migrations_of(url, checked("SELECT count(*) = 1 FROM a")).await;

    assert!(matches!(migrations.deploy(&mut |_| ()).await, Err(Error::NotVerified { .. })));
    assert_eq!(state(&mut migrations, A).await, MigrationState::Failed);

    let mut holds = migrations_of(url, checked("SELECT count(*) = 0 FROM a")).await;
    assert_eq!(holds.deploy(&mut |_| ()).await.unwrap(), [A]);
}

pub(crate) async fn only_what_needs_fixing_is_resolved(url: &str) {
    deploy(url).await;
    let mut migrations = migrations(url).await;
    let name = MIGRATIONS[3].name();

    let unknown = migrations.resolve("m1_nothing", Resolution::Applied, "a reason").await;
    assert!(matches!(unknown, Err(Error::Refused(Refusal::NoSuchMigration { .. }))));
    for resolution in [Resolution::Applied, Resolution::RolledBack] {
        let sound = migrations.resolve(name, resolution, "a reason").await;
        assert!(matches!(sound, Err(Error::Refused(Refusal::NothingToResolve { .. }))));
    }
    let mut sql = Sql::connect(url).await;
    sql.run(&format!("DELETE FROM seaql_migrations WHERE version = '{name}'")).await;
    assert!(matches!(migrations.resolve(name, Resolution::Applied, " ").await, Err(Error::Usage(_))));
    migrations.resolve(name, Resolution::Applied, "restored by hand").await.unwrap();

    let event =
        "SELECT \"tenantId\" || ' ' || CAST(details AS text) FROM \"AuditLog\" WHERE action = 'MIGRATION_RESOLVED'";
    let event = sql.one(event).await;
    assert!(event.starts_with("platform ") && event.contains(name) && event.contains("restored by hand"), "{event}");
}
