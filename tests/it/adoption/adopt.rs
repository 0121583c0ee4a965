//! Adoption of a database that Prisma created. PostgreSQL only.

use rylie_migration::{AdoptOptions, Adoption, Environment, Error, MIGRATIONS, Refusal, Result, State};
use sqlx::Connection;

use crate::support::old_service::{fill, make_base};
use crate::support::sql::{Sql, deploy, from, migrations, schema};

const REAL: AdoptOptions = AdoptOptions { dry_run: false };
const DRY: AdoptOptions = AdoptOptions { dry_run: true };

async fn adopt(url: &str, options: AdoptOptions) -> Result<Adoption> {
    migrations(url).await.adopt(options, &mut |_| ()).await
}

/// Creates the base as Prisma does, with rows and with further objects.
async fn made_by_prisma(url: &str) -> Sql {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    sql.run("ALTER TABLE \"Agency\" ADD COLUMN metadata jsonb DEFAULT '{}'").await;
    sql.run("CREATE TABLE \"ReportCache\" (id text PRIMARY KEY, agency_id text REFERENCES \"Agency\"(id))").await;
    sql.run(
        "CREATE TABLE _prisma_migrations (id text PRIMARY KEY, migration_name text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), \
         finished_at timestamptz, rolled_back_at timestamptz)",
    )
    .await;
    sql.run("INSERT INTO _prisma_migrations VALUES ('1', '20240101_init', now(), now(), NULL), ('2', '20240202_try', now(), NULL, NULL)").await;
    fill(&mut sql).await;
    sql
}

const EXTRA: [&str; 3] = ["column Agency.metadata", "table ReportCache", "table _prisma_migrations"];

/// No row is lost, foreign objects are reported and kept, and the environment marker is set.
pub(crate) async fn a_database_of_prismas_is_adopted(url: &str) {
    let mut sql = made_by_prisma(url).await;

    let adoption = adopt(url, REAL).await.unwrap();

    assert_eq!(adoption.applied.len(), MIGRATIONS.len());
    assert_eq!(adoption.pending, Vec::<String>::new());
    assert_eq!((adoption.tables["User"], adoption.tables["Task"], adoption.tables["SystemSettings"]), (3, 3, 0));
    assert_eq!(adoption.extra, EXTRA);
    let named: Vec<_> = adoption.differences.iter().map(|found| found.object.as_str()).collect();
    assert_eq!(named, ["Prisma migration 20240202_try"]);
    let mark = migrations(url).await.mark().await.unwrap().unwrap();
    assert_eq!((mark.environment, mark.state), (Environment::Production, State::Coexistence));
    assert!(mark.adopted_at.is_some());
    assert_eq!(sql.tenant("Task", "t-ann").await, "a1");
}

/// Rows whose user has moved to another agency are counted and stay unchanged.
pub(crate) async fn rows_that_name_a_user_of_another_tenant_are_reported(url: &str) {
    let mut sql = made_by_prisma(url).await;
    sql.run("UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann'").await;

    let adoption = adopt(url, REAL).await.unwrap();

    let named: Vec<_> = adoption.differences.iter().map(|found| found.object.as_str()).collect();
    assert_eq!(named, ["Prisma migration 20240202_try", "Request.userId", "Task.userId"]);
    assert!(adoption.differences[1].found.starts_with("1 rows "), "{:?}", adoption.differences);
    assert_eq!(
        (sql.tenant("Request", "r-ann").await, sql.tenant("User", "ann").await),
        ("a1".to_owned(), "a2".to_owned())
    );
}

/// The second adoption changes nothing, and reports nothing new.
pub(crate) async fn a_second_adoption_changes_nothing(url: &str) {
    let mut sql = made_by_prisma(url).await;
    let first = adopt(url, REAL).await.unwrap();
    let before = (schema(url).await, sql.one("SELECT rylie_database::text FROM rylie_database").await);

    let second = adopt(url, REAL).await.unwrap();

    assert_eq!(second, Adoption { applied: Vec::new(), ..first });
    assert_eq!((schema(url).await, sql.one("SELECT rylie_database::text FROM rylie_database").await), before);
}

/// A dry run writes nothing and reports the planned changes. A read-only role proves it.
pub(crate) async fn a_dry_run_writes_nothing(url: &str) {
    let mut sql = made_by_prisma(url).await;
    let owner = give_to_owner(&mut sql, url).await;
    let before = schema(url).await;
    let role = role_of(&mut sql).await;
    sql.run(&format!("ALTER ROLE \"{role}\" SET default_transaction_read_only = on")).await;

    let adoption = adopt(&owner, DRY).await.unwrap();

    assert_eq!((adoption.applied.len(), adoption.pending.len()), (0, MIGRATIONS.len()));
    assert_eq!(schema(url).await, before);
    assert!(adopt(&owner, REAL).await.is_err());
}

/// The table owner may adopt without being a superuser, and the old service continues to write as that login.
pub(crate) async fn the_owner_of_the_tables_may_adopt(url: &str) {
    let mut sql = made_by_prisma(url).await;
    let owner = give_to_owner(&mut sql, url).await;

    let adoption = adopt(&owner, REAL).await.unwrap();

    assert_eq!(adoption.applied.len(), MIGRATIONS.len());
    write_as_the_old_service(&owner).await;
}

/// A superuser adopts for the owner: new objects belong to the owner too, who can deploy later.
pub(crate) async fn a_superuser_adopts_for_the_owner(url: &str) {
    let mut sql = made_by_prisma(url).await;
    let owner = give_to_owner(&mut sql, url).await;

    adopt(url, REAL).await.unwrap();

    write_as_the_old_service(&owner).await;
    assert_eq!(deploy(&owner).await, Vec::<String>::new());
    let others = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_get_userbyid(relowner) = current_user";
    assert_eq!(sql.all(others).await, Vec::<String>::new());
    migrations(&owner).await.mark_environment(Environment::Staging, Some("a rehearsal")).await.unwrap();
    migrations(&owner).await.down(from("create_rylie_database"), &mut |_| ()).await.unwrap();
    deploy(&owner).await;
    let mark = migrations(&owner).await.mark().await.unwrap().unwrap();
    assert_eq!((mark.state, mark.environment), (State::Coexistence, Environment::Production));
    let mut old = Sql::connect(&owner).await;
    assert_eq!(old.one("SELECT count(*)::text FROM \"Task\" WHERE id = 'ot'").await, "1");
}

/// Runs statements in the form of Prisma's client.
async fn write_as_the_old_service(url: &str) {
    let mut sql = Sql::connect(url).await;
    sql.run("INSERT INTO \"public\".\"Session\" (\"id\", \"sessionToken\", \"userId\", \"expires\") VALUES ('os', 'os', 'ann', now())").await;
    sql.run("UPDATE \"public\".\"User\" SET \"name\" = 'Ann', \"updatedAt\" = now() WHERE \"id\" = 'ann'").await;
    sql.run(
        "INSERT INTO \"public\".\"Task\" (\"id\", \"userId\", \"requestId\", \"title\", \"type\", \"status\", \"priority\", \"createdAt\", \"updatedAt\") \
         VALUES ('ot', 'ann', 'r-ann', 't', 'BLOG'::\"public\".\"TaskType\", 'PENDING', 'HIGH', now(), now())",
    )
    .await;
    sql.run("DELETE FROM \"public\".\"Session\" WHERE \"id\" = 'os'").await;
    assert_eq!(sql.tenant("Task", "ot").await, "a1");
}

/// Returns the case's role name: roles belong to the whole server.
async fn role_of(sql: &mut Sql) -> String {
    format!("owner_of_{}", sql.one("SELECT current_database()::text").await)
}

/// Gives tables and types to a role without further rights. Returns the URL of that role.
async fn give_to_owner(sql: &mut Sql, url: &str) -> String {
    let database = sql.one("SELECT current_database()::text").await;
    let role = role_of(sql).await;
    sql.run(&format!(
        "CREATE ROLE \"{role}\" LOGIN PASSWORD 'x' NOSUPERUSER NOCREATEROLE NOCREATEDB; GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\""
    ))
    .await;
    let own = "SELECT 'ALTER TABLE ' || oid::regclass || ' OWNER TO ' FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
         UNION ALL SELECT 'ALTER TYPE ' || oid::regtype || ' OWNER TO ' FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'";
    for alter in sql.all(own).await {
        sql.run(&format!("{alter} \"{role}\"")).await;
    }
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let host = options.get_host();
    let (host, port) = (host.replace('/', "%2F"), options.get_port());
    let owner = format!("postgres://{role}:x@{host}:{port}/{database}");
    sqlx::PgConnection::connect(&owner).await.unwrap();
    owner
}

/// A login that may not alter the tables gets an error before any change.
pub(crate) async fn a_stranger_may_not_adopt(url: &str) {
    let mut sql = made_by_prisma(url).await;
    let owner = give_to_owner(&mut sql, url).await;
    sql.run("ALTER TABLE \"Task\" OWNER TO CURRENT_USER; GRANT SELECT ON ALL TABLES IN SCHEMA public TO public").await;
    let before = schema(url).await;

    let outcome = adopt(&owner, REAL).await;

    assert!(matches!(outcome, Err(Error::Refused(Refusal::NotOwner { table })) if table == "Task"));
    assert_eq!(schema(url).await, before);
}

/// The next adoption continues a killed one.
pub(crate) async fn a_killed_adoption_is_taken_up_again(url: &str) {
    let mut sql = made_by_prisma(url).await;
    adopt(url, REAL).await.unwrap();
    let expected = schema(url).await;
    // Half of the tenant key is missing again, with its record.
    sql.run("UPDATE rylie_database SET environment = 'development'").await;
    let taken_back = migrations(url).await.down(from("add_tenant_key"), &mut |_| ()).await.unwrap();
    sql.run("UPDATE rylie_database SET environment = 'production'").await;
    for step in MIGRATIONS[2].up(rylie_migration::Engine::Postgres).iter().take(20) {
        if !matches!(step, rylie_migration::Step::Batches(_)) {
            sql.try_run(step.statement()).await.unwrap_or(());
        }
    }

    let adoption = adopt(url, REAL).await.unwrap();

    assert_eq!(adoption.applied.len(), taken_back.len());
    assert_eq!(adoption.extra, EXTRA);
    assert_eq!(schema(url).await, expected);
}

/// A missing column is reported, and nothing is changed.
pub(crate) async fn a_missing_column_is_refused(url: &str) {
    let mut sql = made_by_prisma(url).await;
    sql.run("ALTER TABLE \"Request\" DROP COLUMN \"pageTitle\"").await;
    assert_refused(url, "column Request.pageTitle").await;
}

/// Another application's tables are refused, and nothing is changed.
pub(crate) async fn another_application_is_refused(url: &str) {
    let mut sql = Sql::connect(url).await;
    sql.run("CREATE TABLE \"User\" (id serial PRIMARY KEY, login text); CREATE TABLE posts (id serial PRIMARY KEY)")
        .await;
    assert_refused(url, "column User.email").await;
}

/// A missing foreign key, and an enum with other labels.
pub(crate) async fn a_missing_key_and_other_labels_are_refused(url: &str) {
    let mut sql = made_by_prisma(url).await;
    sql.run("ALTER TABLE \"Task\" DROP CONSTRAINT \"Task_requestId_fkey\"; DROP INDEX \"User_email_key\"").await;
    sql.run("ALTER TYPE \"UserRole\" ADD VALUE 'GUEST'").await;
    assert_refused(url, "constraint Task.Task_requestId_fkey").await;
    assert_refused(url, "index User.User_email_key").await;
    assert_refused(url, "enum UserRole").await;
}

async fn assert_refused(url: &str, object: &str) {
    let before = schema(url).await;
    for options in [DRY, REAL] {
        match adopt(url, options).await {
            Err(Error::NotTheBase { differences }) => {
                assert!(differences.iter().any(|found| found.object == object && found.blocking), "{differences:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(schema(url).await, before);
    let mut sql = Sql::connect(url).await;
    assert_eq!(sql.one("SELECT coalesce(to_regclass('seaql_migrations')::text, 'none')").await, "none");
}

/// An empty database needs `deploy`.
pub(crate) async fn an_empty_database_is_not_adopted(url: &str) {
    assert!(matches!(adopt(url, REAL).await, Err(Error::Refused(Refusal::NothingToAdopt))));
}

/// SQLite is not adopted. SQLite only.
pub(crate) async fn sqlite_is_not_adopted(url: &str) {
    assert!(matches!(adopt(url, DRY).await, Err(Error::Refused(Refusal::NotPostgres))));
}
