//! A stranger who may create objects in schema `public` creates ours first: none of hers is kept, called or ignored.

use rylie_db::prelude::*;
use rylie_migration::{AdoptOptions, CheckStatus, Error, MIGRATIONS, Refusal, Step};
use rylie_testkit::{Cluster, PostgresDatabase};

use super::protected;
use crate::support::logins::give_away;
use crate::support::made::{Made, list, migrations_of};
use crate::support::old_service::make_base;
use crate::support::raw::Raw;
use crate::support::sql::{deploy, migrations};

const TRIGGER: &str = "() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$";

/// Creates a login that may create objects in schema `public`, as all logins could before PostgreSQL 15.
async fn stranger(database: &PostgresDatabase, raw: &mut Raw) -> (Raw, String) {
    let name = format!("{}_mallory", database.name());
    raw.run(&format!("CREATE ROLE {name} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC")).await;
    (Raw::connect(&database.url_as(&name)).await, name)
}

fn found(outcome: Result<impl Sized, Error>) -> Vec<String> {
    match outcome.map(drop).unwrap_err() {
        Error::Refused(Refusal::Strangers { found }) => found.into_iter().map(|stranger| stranger.object).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_stranger_made_first_is_named_and_nothing_is_run() {
    for (object, sql) in [
        ("function public.rylie_tenant_of_user()", format!("CREATE FUNCTION rylie_tenant_of_user{TRIGGER}")),
        (
            "function public.rylie_tenant_of_user(text)",
            "CREATE FUNCTION rylie_tenant_of_user(text) RETURNS text LANGUAGE sql AS 'SELECT $1'".to_owned(),
        ),
        ("procedure public.rylie_later()", "CREATE PROCEDURE rylie_later() LANGUAGE sql AS ''".to_owned()),
        ("table public.rylie_migrations", "CREATE TABLE rylie_migrations (name text)".to_owned()),
        ("table public.seaql_migrations", "CREATE TABLE seaql_migrations (version text)".to_owned()),
        ("sequence public.rylie_audit_position", "CREATE SEQUENCE rylie_audit_position".to_owned()),
        ("view public.rylie_alerts", "CREATE VIEW rylie_alerts AS SELECT 1 AS n".to_owned()),
        ("type public.\"TaskType\"", "CREATE TYPE \"TaskType\" AS ENUM ('PAGE')".to_owned()),
        (
            "index public.\"UsageEvent_userId_key_key\"",
            "CREATE TABLE mine (id int); CREATE INDEX \"UsageEvent_userId_key_key\" ON mine (id)".to_owned(),
        ),
        (
            "function public.lower(character varying)",
            "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''x'''".to_owned(),
        ),
        (
            "operator public.=(character varying,text)",
            "CREATE FUNCTION same(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; \
          CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = text, FUNCTION = same)"
                .to_owned(),
        ),
    ] {
        let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
        let mut raw = Raw::connect(&database.url()).await;
        let (mut mallory, name) = stranger(&database, &mut raw).await;
        mallory.run(&sql).await;

        let refused = migrations(&database.url()).await.deploy(&mut |_| ()).await;

        let text = refused.as_ref().unwrap_err().to_string();
        assert!(text.contains(object) && text.contains(&name), "{text}");
        assert!(found(refused).iter().any(|found| found == object), "{object}");
        let made = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner = current_user::regrole";
        assert_eq!(raw.rows(made).await, Ok(vec![]), "{object}");
    }
}

/// With tables of Prisma, in a database where a stranger may create objects and put triggers on a table.
#[tokio::test]
async fn an_adoption_is_refused_beside_a_strangers_table_or_trigger() {
    for (object, sql) in [
        ("table public.\"UsageEvent\"", "CREATE TABLE \"UsageEvent\" (id text, \"tenantId\" text)".to_owned()),
        (
            "function public.spy()",
            format!(
                "CREATE FUNCTION spy{TRIGGER}; CREATE TRIGGER spy BEFORE UPDATE ON \"User\" FOR EACH ROW EXECUTE FUNCTION spy()"
            ),
        ),
    ] {
        let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
        make_base(&database.url()).await;
        let mut raw = Raw::connect(&database.url()).await;
        let owner = give_away(&database, &mut raw).await;
        let (mut mallory, name) = stranger(&database, &mut raw).await;
        raw.run(&format!("GRANT TRIGGER ON \"User\" TO {name}")).await;
        mallory.run(&sql).await;

        for url in [&database.url(), &owner] {
            for dry_run in [true, false] {
                let refused = migrations(url).await.adopt(AdoptOptions { dry_run }, &mut |_| ()).await;
                assert_eq!(found(refused), [object]);
            }
        }
        let recorded = "SELECT relname::text FROM pg_class WHERE relname IN ('seaql_migrations', 'rylie_migrations')";
        assert_eq!(raw.rows(recorded).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_table_in_a_schema_that_sessions_look_into_first_is_named() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    let (mut mallory, name) = stranger(&database, &mut raw).await;
    let schema = format!("{}_owner", database.name());
    raw.run(&format!("CREATE SCHEMA \"{schema}\" AUTHORIZATION {name}")).await;
    mallory.run(&format!("CREATE TABLE \"{schema}\".\"User\" (id text)")).await;

    let refused = migrations(&owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await;

    assert_eq!(found(refused), [format!("table {schema}.\"User\"")]);
}

/// A stranger creates the function between the check and its use: the statement that would keep her as owner is rolled
/// back.
#[tokio::test]
async fn what_is_planted_between_the_check_and_its_use_is_not_kept() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    let (_mallory, name) = stranger(&database, &mut raw).await;
    let planted = format!(
        "DO $do$ BEGIN SET LOCAL ROLE {name}; EXECUTE $f$CREATE FUNCTION public.rylie_made(){}$f$; END $do$",
        &TRIGGER[2..]
    );
    let ours = "CREATE OR REPLACE FUNCTION public.rylie_made() RETURNS trigger LANGUAGE plpgsql \
         SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN RETURN NULL; END $$";
    let made = Made {
        up: vec![Step::Sql(planted.into()), Step::Sql(ours.into())],
        ..Made::table("m99990101_000001_make", "made")
    };

    let refused = migrations_of(&database.url(), list([made])).await.deploy(&mut |_| ()).await;

    assert_eq!(found(refused), ["function public.rylie_made()"]);
    assert_eq!(
        raw.rows("SELECT (prosrc LIKE '%NEW%')::text FROM pg_proc WHERE proname = 'rylie_made'").await.unwrap(),
        ["true"]
    );
}

#[tokio::test]
async fn what_is_given_away_or_opened_later_is_reported_and_refused() {
    let (database, mut raw) = protected().await;
    let name = format!("{}_mallory", database.name());
    raw.run(&format!("CREATE ROLE {name} LOGIN")).await;
    assert_eq!(migrations(&database.url()).await.drift().await.unwrap().differences, []);
    for (change, object) in [
        ("ALTER FUNCTION rylie_tenant_of_user() OWNER TO $", "function public.rylie_tenant_of_user()"),
        ("ALTER TABLE rylie_alerts OWNER TO $", "table public.rylie_alerts"),
        ("ALTER TABLE \"Task\" OWNER TO $", "table public.\"Task\""),
        ("ALTER TYPE \"TaskType\" OWNER TO $", "type public.\"TaskType\""),
        ("ALTER SEQUENCE rylie_audit_position OWNER TO $", "sequence public.rylie_audit_position"),
    ] {
        raw.run(&change.replace('$', &name)).await;
        let mut by_superuser = migrations(&database.url()).await;

        let drift = by_superuser.drift().await.unwrap();
        let difference = drift.differences.iter().find(|difference| difference.object == format!("owner of {object}"));
        let difference = difference.unwrap_or_else(|| panic!("{object}: {drift:?}"));
        assert_eq!(difference.found, name);
        let checks = by_superuser.check_roles().await.unwrap();
        let check = checks.iter().find(|check| check.id == "roles.owners").unwrap();
        assert!(check.status == CheckStatus::Fail && check.detail.contains(object), "{check:?}");
        assert!(found(by_superuser.deploy(&mut |_| ()).await).contains(&object.to_owned()));
        assert!(found(by_superuser.down(1, &mut |_| ()).await).contains(&object.to_owned()));

        raw.run(&difference.fix[0]).await;
        assert_eq!(by_superuser.drift().await.unwrap().differences, [], "{object}");
    }
}

#[tokio::test]
async fn a_function_without_a_fixed_search_path_is_reported_and_refused() {
    let (database, mut raw) = protected().await;
    for path in ["RESET search_path", "SET search_path = public", "SET search_path = pg_catalog, public"] {
        raw.run(&format!("ALTER FUNCTION rylie_audit_erase(text, text, bytea) {path}")).await;
        let mut by_superuser = migrations(&database.url()).await;

        let refused = by_superuser.deploy(&mut |_| ()).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused(Refusal::Unfixed { function }) if function.contains("rylie_audit_erase")),
            "{refused:?}"
        );
        let checks = by_superuser.check_roles().await.unwrap();
        assert!(checks.iter().any(|check| check.id == "roles.search_path" && check.status == CheckStatus::Fail));
        assert_ne!(by_superuser.drift().await.unwrap().differences, []);
    }
    raw.run(refused_fix("rylie_audit_erase(text, text, bytea)").as_str()).await;
    deploy(&database.url()).await;
    let unfixed = "SELECT proname::text FROM pg_proc WHERE proname LIKE 'rylie\\_%' AND NOT 'search_path=pg_catalog, public, pg_temp' = ANY (coalesce(proconfig, '{}'))";
    assert_eq!(raw.rows(unfixed).await, Ok(vec![]));
}

fn refused_fix(function: &str) -> String {
    format!("ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp")
}

#[tokio::test]
async fn who_may_create_in_the_schema_is_reported() {
    let (database, mut raw) = protected().await;
    let name = format!("{}_mallory", database.name());
    raw.run(&format!("CREATE ROLE {name} LOGIN")).await;
    for who in ["PUBLIC", &name] {
        raw.run(&format!("GRANT CREATE ON SCHEMA public TO {who}")).await;
        let mut by_superuser = migrations(&database.url()).await;

        let checks = by_superuser.check_roles().await.unwrap();
        let check = checks.iter().find(|check| check.id == "roles.create").unwrap();
        assert!(check.status == CheckStatus::Fail && check.detail.contains(who), "{check:?}");
        let drift = by_superuser.drift().await.unwrap().differences;
        assert_eq!(drift.len(), 1, "{drift:?}");

        raw.run(&drift[0].fix[0]).await;
        assert_eq!(by_superuser.drift().await.unwrap().differences, []);
    }
}

#[tokio::test]
async fn a_superuser_does_not_run_the_code_of_an_owner_who_may_not_create() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;
    let mut raw = Raw::connect(&database.url()).await;
    give_away(&database, &mut raw).await;
    let owner = format!("{}_owner", database.name());
    raw.run(&format!("REVOKE CREATE ON SCHEMA public FROM \"{owner}\"")).await;

    let mut by_superuser = migrations(&database.url()).await;
    let refused = by_superuser.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap_err();

    assert!(matches!(&refused, Error::Refused(Refusal::OwnerMayNotCreate { .. })), "{refused:?}");
    raw.run(refused.to_string().split('`').nth(1).unwrap()).await;
    assert_eq!(by_superuser.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap().applied.len(), MIGRATIONS.len());
    let others = format!(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> '\"{owner}\"'::regrole"
    );
    assert_eq!(raw.rows(&others).await, Ok(vec![]));
}

/// A schema with the login's name precedes `public` on PostgreSQL's default search path.
#[tokio::test]
async fn a_schema_of_the_logins_name_shadows_nothing() {
    let (database, mut raw) = protected().await;
    let login = format!("{}_app", database.name());
    raw.run(&format!(
        "CREATE ROLE \"{login}\" LOGIN; GRANT rylie_doors TO \"{login}\"; CREATE SCHEMA \"{login}\"; GRANT ALL ON SCHEMA \"{login}\" TO PUBLIC; \
         CREATE TABLE \"{login}\".\"Agency\" (LIKE \"Agency\"); GRANT ALL ON \"{login}\".\"Agency\" TO PUBLIC; GRANT SELECT ON rylie_database, \
         seaql_migrations, rylie_migrations TO \"{login}\""
    ))
    .await;

    for pooled in ["false", "true"] {
        let config = Config::builder().set("database_url", database.url_as(&login)).unwrap();
        let config = config.set("behind_pooler", pooled).unwrap().build().unwrap();
        let service = Database::connect(config).await.unwrap();
        let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
        assert_eq!(unit.agencies().list(PageRequest::default()).await.unwrap().total, 2, "{pooled}");
    }
}
