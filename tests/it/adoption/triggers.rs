//! Triggers of the old service on the tables whose tenant key an adoption fills. PostgreSQL.

use rylie_migration::{AdoptOptions, Error, Migrations, Refusal};
use rylie_testkit::{Cluster, PostgresDatabase};

use crate::support::logins::give_away;
use crate::support::old_service::{fill, make_base};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, migrations};

/// An outbox, a time of the last change, and a refusal of changes.
const TRIGGERS: &str = "CREATE TABLE outbox (id text); \
     CREATE FUNCTION notify_clients() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.outbox VALUES (NEW.id); RETURN NULL; END $$; \
     CREATE TRIGGER notify AFTER UPDATE ON \"Request\" FOR EACH ROW EXECUTE FUNCTION notify_clients(); \
     CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.\"updatedAt\" := now(); RETURN NEW; END $$; \
     CREATE TRIGGER \"touch it\" BEFORE UPDATE ON \"User\" FOR EACH ROW EXECUTE FUNCTION touch(); \
     CREATE TRIGGER of_title BEFORE UPDATE OF title ON \"Task\" FOR EACH ROW EXECUTE FUNCTION touch(); \
     CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'task % is closed', NEW.title; END $$; \
     CREATE TRIGGER refuse BEFORE UPDATE ON \"SEOWorksTaskMapping\" FOR EACH ROW EXECUTE FUNCTION refuse()";

const FIRED: &str =
    "SELECT (SELECT count(*) FROM outbox) || ' ' || (SELECT count(*) FROM \"User\" WHERE \"updatedAt\" > '2026-06-01')";

/// Creates Prisma's database with these triggers, owned by a plain login. Also returns the owner's URL.
async fn with_triggers() -> (PostgresDatabase, Raw, String) {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;
    fill(&mut Sql::connect(&database.url()).await).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    let mut by_owner = Raw::connect(&owner).await;
    by_owner.run(TRIGGERS).await;
    (database, raw, owner)
}

async fn adopt(mut migrations: Migrations) -> Result<(), Error> {
    migrations.adopt(AdoptOptions::default(), &mut |_| ()).await.map(drop)
}

async fn all_is_filled(raw: &mut Raw) {
    let wrong = "SELECT t.id FROM \"Task\" t JOIN \"Request\" r ON r.id = t.\"requestId\" WHERE t.\"tenantId\" IS DISTINCT FROM r.\"tenantId\" \
                 UNION ALL SELECT id FROM \"SEOWorksTaskMapping\" WHERE \"tenantId\" IS NULL";
    assert_eq!(raw.rows(wrong).await, Ok(vec![]));
}

#[tokio::test]
async fn a_login_that_may_keep_triggers_from_firing_fires_none() {
    let (database, mut raw, _) = with_triggers().await;

    adopt(migrations(&database.url()).await).await.unwrap();

    assert_eq!(raw.rows(FIRED).await.unwrap(), ["0 0"]);
    all_is_filled(&mut raw).await;
    raw.run("UPDATE \"Request\" SET title = 'later' WHERE id = 'r-ann'").await;
    assert_eq!(raw.rows(FIRED).await.unwrap(), ["1 0"]);
}

#[tokio::test]
async fn a_trigger_of_the_old_service_is_no_drift_while_it_works_on_the_database() {
    let (database, _raw, _) = with_triggers().await;
    adopt(migrations(&database.url()).await).await.unwrap();

    let drift = migrations(&database.url()).await.drift().await.unwrap();

    assert_eq!(drift.differences, []);
    for trigger in ["trigger Request.notify", "trigger Task.of_title"] {
        assert!(drift.extra.iter().any(|extra| extra == trigger), "{trigger}: {:?}", drift.extra);
    }
}

#[tokio::test]
async fn an_owner_whose_fill_would_fire_triggers_is_refused_until_it_may_prevent_that() {
    let (_database, mut raw, owner) = with_triggers().await;
    let looked = migrations(&owner).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await.unwrap();
    let found = looked.preflight.unwrap().findings;
    let found: Vec<_> = found.iter().filter(|finding| finding.id == "triggers").collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|finding| finding.blocking));
    assert!(found[0].detail.contains("trigger notify") && found[0].detail.contains("Request"), "{found:?}");
    assert!(found[2].fix.contains("ALTER TABLE \"User\" DISABLE TRIGGER \"touch it\""), "{found:?}");

    let refused = adopt(migrations(&owner).await).await;

    assert!(matches!(refused, Err(Error::Refused(Refusal::Prevented { .. }))), "{refused:?}");
    assert_eq!(raw.rows("SELECT relname::text FROM pg_class WHERE relname = 'seaql_migrations'").await, Ok(vec![]));

    let grant = found[0].fix.split('`').find(|part| part.starts_with("GRANT SET")).unwrap();
    raw.run(grant).await;
    adopt(migrations(&owner).await).await.unwrap();

    assert_eq!(raw.rows(FIRED).await.unwrap(), ["0 0"]);
    all_is_filled(&mut raw).await;
    raw.run(&grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")).await;
}

#[tokio::test]
async fn an_operator_may_let_triggers_fire() {
    let (_database, mut raw, owner) = with_triggers().await;
    raw.run("ALTER TABLE \"SEOWorksTaskMapping\" DISABLE TRIGGER refuse").await;

    adopt(migrations(&owner).await.firing_triggers()).await.unwrap();

    assert_eq!(raw.rows(FIRED).await.unwrap(), ["3 3"]);
}

/// A trigger that is declared for every session fires in this one too.
#[tokio::test]
async fn a_trigger_that_fires_always_prevents_an_adoption_by_any_login() {
    let (database, mut raw, _) = with_triggers().await;
    raw.run("ALTER TABLE \"Request\" ENABLE ALWAYS TRIGGER notify").await;

    let refused = adopt(migrations(&database.url()).await).await;

    assert!(matches!(refused, Err(Error::Refused(Refusal::Prevented { .. }))), "{refused:?}");
    raw.run("ALTER TABLE \"Request\" DISABLE TRIGGER notify").await;
    adopt(migrations(&database.url()).await).await.unwrap();
}
