//! Refused operations leave the database unchanged.

use rylie_migration::{Environment, Error, MIGRATIONS, MigrationState, Refusal, Resolution, State};

use crate::support::logins::url_as;
use crate::support::sql::{Sql, deploy, from, migrations, schema};

/// Production is neither reverted nor reset, not even by SeaORM's commands.
pub(crate) async fn production_is_not_taken_back(url: &str) {
    use rylie_migration::Migrator;
    use sea_orm_migration::MigratorTrait;

    deploy(url).await;
    let before = schema(url).await;
    let mut migrations = migrations(url).await;
    migrations.mark_environment(Environment::Production, None).await.unwrap();

    assert!(matches!(migrations.down(1, &mut |_| ()).await, Err(Error::Refused(Refusal::Production))));
    assert!(matches!(migrations.reset(&mut |_| ()).await, Err(Error::Refused(Refusal::Production))));
    let db = rylie_migration::connect(url.to_owned(), "public".to_owned()).await.unwrap();
    assert!(Migrator::fresh(&db).await.is_err());
    assert!(Migrator::refresh(&db).await.is_err());
    assert!(Migrator::reset(&db).await.is_err());
    assert!(Migrator::down(&db, None).await.is_err());

    assert_eq!(schema(url).await, before);
}

/// A foreign database with the same names is neither reset nor deployed to.
pub(crate) async fn what_is_not_ours_is_not_reset(url: &str) {
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE TABLE \"User\" (id integer)").await;
    sql.run("INSERT INTO \"User\" VALUES (1)").await;
    let mut migrations = migrations(url).await;

    assert!(matches!(migrations.reset(&mut |_| ()).await, Err(Error::Refused(Refusal::NotOurs))));
    assert!(matches!(migrations.deploy(&mut |_| ()).await, Err(Error::Refused(Refusal::NotAdopted { .. }))));

    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"User\"").await, "1");
}

/// A reset empties our tables, gives the database a new fingerprint, and keeps a table of the user's own.
pub(crate) async fn a_reset_empties_a_database_of_ours(url: &str) {
    deploy(url).await;
    let mut migrations = migrations(url).await;
    let first = migrations.mark().await.unwrap().unwrap();
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE TABLE mine (id integer)").await;
    let before = schema(url).await;
    sql.run("INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a', 'n', '2026-01-01 00:00:00.000')").await;

    assert_eq!(migrations.reset(&mut |_| ()).await.unwrap().len(), MIGRATIONS.len());

    assert_eq!(schema(url).await, before);
    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"Agency\"").await, "0");
    assert_ne!(migrations.mark().await.unwrap().unwrap().fingerprint, first.fingerprint);
}

/// A fresh database has one environment marker.
pub(crate) async fn a_fresh_database_is_marked_for_development(url: &str) {
    assert_eq!(migrations(url).await.mark().await.unwrap(), None);
    deploy(url).await;
    let mark = migrations(url).await.mark().await.unwrap().unwrap();

    assert_eq!((mark.environment, mark.state, mark.adopted_at), (Environment::Development, State::Fresh, None));
    assert_eq!(mark.fingerprint.len(), 36);
    let mut sql = Sql::connect(url).await;
    assert!(sql.try_run("INSERT INTO rylie_database (id, fingerprint) VALUES (2, 'x')").await.is_err());
    assert!(sql.try_run("UPDATE rylie_database SET environment = 'prod'").await.is_err());
}

/// The base's log may name users only, so a record of a deleted user is kept elsewhere until the next deploy.
pub(crate) async fn an_event_without_a_user_survives_the_way_back(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('e', 'gone', 'x', 'y')").await;

    migrations(url).await.down(from("drop_audit_log_foreign_key"), &mut |_| ()).await.unwrap();

    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"AuditLog\"").await, "0");
    deploy(url).await;
    assert_eq!(sql.tenant("AuditLog", "e").await, "platform");
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('f', 'job:x', 'x', 'y')").await;
    migrations(url).await.reset(&mut |_| ()).await.unwrap();
    assert_eq!(sql.one("SELECT CAST(count(*) AS text) FROM \"AuditLog\"").await, "0");
}

/// A deploy to another application's database is refused.
pub(crate) async fn another_applications_database_is_left_alone(url: &str) {
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE TABLE invoices (id integer)").await;

    let mut migrations = migrations(url).await;
    let refused = migrations.deploy(&mut |_| ()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotEmpty { .. }))), "{refused:?}");
    let refused = migrations.resolve(MIGRATIONS[0].name(), Resolution::Applied, "a slip").await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotOurs))), "{refused:?}");

    assert!(sql.try_run("SELECT 1 FROM rylie_migrations").await.is_err());
    assert!(sql.try_run("SELECT 1 FROM \"Agency\"").await.is_err());
}

/// The two steps: an audit record in the transaction that removes the production marker.
pub(crate) async fn production_is_left_with_a_reason_that_is_audited(url: &str) {
    deploy(url).await;
    let mut migrations = migrations(url).await;
    migrations.mark_environment(Environment::Production, None).await.unwrap();
    assert!(matches!(
        migrations.guard_destructive("erase a tenant").await,
        Err(Error::Refused(Refusal::Destructive { doing })) if doing == "erase a tenant"
    ));
    for reason in [None, Some(" ")] {
        let outcome = migrations.mark_environment(Environment::Staging, reason).await;
        assert!(matches!(outcome, Err(Error::Refused(Refusal::NoReason))), "{outcome:?}");
    }

    migrations.mark_environment(Environment::Staging, Some("a rehearsal")).await.unwrap();

    migrations.guard_destructive("erase a tenant").await.unwrap();
    let mut sql = Sql::connect(url).await;
    let events = "SELECT CAST(details AS text) FROM \"AuditLog\" WHERE action = 'ENVIRONMENT_MARKED' AND \"tenantId\" = 'platform'";
    let events = sql.all(events).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().any(|event| event.contains("a rehearsal")), "{events:?}");
    // If the event cannot be written, the marker stays.
    migrations.mark_environment(Environment::Production, None).await.unwrap();
    sql.run("ALTER TABLE \"AuditLog\" RENAME COLUMN resource TO resources").await;
    assert!(migrations.mark_environment(Environment::Staging, Some("a rehearsal")).await.is_err());
    assert_eq!(migrations.mark().await.unwrap().unwrap().environment, Environment::Production);
}

/// Neither a database role of a unit nor a grant suffices.
pub(crate) async fn only_the_owner_marks(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    let unit_roles = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'rylie%' AND (has_table_privilege(oid, 'rylie_database', 'INSERT') \
         OR has_table_privilege(oid, 'rylie_database', 'UPDATE') OR has_table_privilege(oid, 'rylie_database', 'DELETE'))";
    assert_eq!(sql.all(unit_roles).await, Vec::<String>::new());
    let role = format!("marker_{}", sql.one("SELECT current_database()::text").await);
    sql.run(&format!("CREATE ROLE \"{role}\"; GRANT ALL ON rylie_database TO \"{role}\"")).await;
    let mut migrations = migrations(url).await;
    assert!(
        migrations
            .check_roles()
            .await
            .unwrap()
            .iter()
            .any(|check| check.id == "roles.marker" && check.detail.contains(&role))
    );
    sql.run(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
}

/// A login that may create tables but owns none of ours gets an error before any change. It may still read the status.
pub(crate) async fn a_stranger_may_neither_deploy_nor_take_back(url: &str) {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    let role = format!("stranger_{}", sql.one("SELECT current_database()::text").await);
    sql.run(&format!(
        "CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO \"{role}\"; \
         GRANT SELECT ON seaql_migrations, rylie_migrations, rylie_database TO \"{role}\""
    ))
    .await;
    migrations(url).await.down(1, &mut |_| ()).await.unwrap();
    let before = schema(url).await;
    let mut stranger = migrations(&url_as(url, &role)).await;

    for outcome in
        [stranger.deploy(&mut |_| ()).await, stranger.down(1, &mut |_| ()).await, stranger.reset(&mut |_| ()).await]
    {
        assert!(matches!(outcome, Err(Error::Refused(Refusal::NotOwner { .. }))), "{outcome:?}");
    }

    assert_eq!(schema(url).await, before);
    assert_eq!(stranger.status().await.unwrap().last().unwrap().state, MigrationState::Pending);
    sql.run(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
}
