//! The schema that the migrations create, and their reversal.

use std::path::Path;

use rylie_migration::{Catalog, MIGRATIONS, MigrationState};

use crate::support::old_service::make_base;
use crate::support::sql::{Sql, deploy, engine, migrations, schema};

/// Applying, reverting and reapplying a migration leaves the same schema.
pub(crate) async fn up_down_up_leaves_the_same_schema(url: &str) {
    let nothing = schema(url).await;
    deploy(url).await;
    let first = schema(url).await;

    let mut migrations = migrations(url).await;
    migrations.down(MIGRATIONS.len(), &mut |_| ()).await.unwrap();
    assert_eq!(schema(url).await, nothing);

    migrations.deploy(&mut |_| ()).await.unwrap();
    assert_eq!(schema(url).await, first);
}

/// Each migration can be reverted alone.
pub(crate) async fn each_down_undoes_its_up(url: &str) {
    deploy(url).await;
    let mut migrations = migrations(url).await;
    let last = schema(url).await;
    let mut schemas = vec![last];
    for _ in MIGRATIONS {
        migrations.down(1, &mut |_| ()).await.unwrap();
        schemas.push(schema(url).await);
    }
    for expected in schemas.iter().rev().skip(1) {
        apply_next(url).await;
        assert_eq!(&schema(url).await, expected);
    }
}

/// Users of SeaORM apply the steps one by one.
async fn apply_next(url: &str) {
    use sea_orm_migration::MigratorTrait;
    let db = rylie_migration::connect(url.to_owned(), "public".to_owned()).await.unwrap();
    rylie_migration::Migrator::up(&db, Some(1)).await.unwrap();
    db.close().await.unwrap();
}

/// Reverting to the first migration leaves exactly the base.
pub(crate) async fn down_to_the_first_leaves_the_base(url: &str) {
    make_base(url).await;
    let base = schema(url).await;
    let mut sql = Sql::connect(url).await;
    for step in MIGRATIONS[0].down(engine(url)) {
        sql.run(step.statement()).await;
    }

    deploy(url).await;
    migrations(url).await.down(MIGRATIONS.len() - 1, &mut |_| ()).await.unwrap();

    assert_eq!(schema(url).await, base);
}

/// The file that adoption compares with equals the first migration's result. PostgreSQL only.
pub(crate) async fn the_file_of_the_base_is_what_the_first_migration_makes(url: &str) {
    make_base(url).await;
    compare_with_file(url, "base.json", &Catalog::base()).await;
}

/// The file of the whole schema equals the result of all migrations. PostgreSQL only.
pub(crate) async fn the_file_of_the_schema_is_what_all_migrations_make(url: &str) {
    deploy(url).await;
    compare_with_file(url, "current.json", &Catalog::current()).await;
}

async fn compare_with_file(url: &str, file: &str, known: &Catalog) {
    let live = migrations(url).await.catalog().await.unwrap();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migration/src/adopt").join(file);
        std::fs::write(path, serde_json::to_string_pretty(&live).unwrap() + "\n").unwrap();
        return;
    }
    assert!(live == *known, "{file} is behind: run this test with UPDATE_SNAPSHOTS=1 and look at the difference");
}

/// SeaORM's commands work on our databases, including `fresh` and `refresh`.
pub(crate) async fn seaorm_migrator_works(url: &str) {
    use rylie_migration::Migrator;
    use sea_orm_migration::MigratorTrait;

    let db = rylie_migration::connect(url.to_owned(), "public".to_owned()).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let first = schema(url).await;
    Migrator::refresh(&db).await.unwrap();
    assert_eq!(schema(url).await, first);
    Migrator::fresh(&db).await.unwrap();
    assert_eq!(schema(url).await, first);
    Migrator::reset(&db).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(schema(url).await, first);

    let status = migrations(url).await.status().await.unwrap();
    assert!(status.iter().all(|migration| migration.state == MigrationState::Applied));
}

/// Squashes into one file for an empty database, including the record.
pub(crate) async fn the_squash_makes_what_the_replay_makes(url: &str) {
    Sql::connect(url).await.run(&rylie_migration::squash(engine(url))).await;
    let (squashed, status) = (schema(url).await, migrations(url).await.status().await.unwrap());
    assert!(status.iter().all(|migration| migration.state == MigrationState::Applied), "{status:?}");
    assert_eq!(deploy(url).await, Vec::<String>::new());

    migrations(url).await.reset(&mut |_| ()).await.unwrap();

    assert_eq!(schema(url).await, squashed);
}
