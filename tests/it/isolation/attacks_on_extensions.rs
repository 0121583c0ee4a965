//! An extended platform: the suite accepts isolated extensions and names the others.

use async_trait::async_trait;
use rylie_db::prelude::*;
use rylie_testkit::World;
use rylie_testkit::attacks::{Attacks, Extension, Failure, Fixture, Report, Side};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The migration of a user's extension.
const NOTES: &str = r#"
    CREATE TABLE "Note" (id text PRIMARY KEY, text text NOT NULL, "requestId" text NOT NULL, "tenantId" text NOT NULL,
        FOREIGN KEY ("requestId", "tenantId") REFERENCES "Request" (id, "tenantId") ON UPDATE CASCADE ON DELETE CASCADE);
    CREATE INDEX "Note_tenantId_idx" ON "Note" ("tenantId");
    ALTER TABLE "Note" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY rylie_tenant ON "Note" TO rylie_tenant USING ("tenantId" = current_setting('rylie.tenant', true));
    GRANT SELECT, INSERT, UPDATE, DELETE ON "Note" TO rylie_tenant;
"#;

/// Notes on requests, and a user's service that reads the request of a note.
struct Notes {
    /// Whether the service works across tenants instead of using the signed-in user's scope.
    careless: bool,
}

#[async_trait]
impl Extension for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    async fn plant(&self, fixture: &Fixture<'_>, side: &Side<'_>) -> Result<(), Failure> {
        let (tenant, request) = (side.tenant(), &side.request.id);
        let sql = format!(r#"INSERT INTO "Note" VALUES ('note-{request}', 'text', '{request}', '{tenant}')"#);
        run(fixture.world().url(), &sql).await;
        Ok(())
    }

    async fn attack(&self, fixture: &Fixture<'_>) -> Result<Vec<String>, Failure> {
        let title =
            self.title_of(&*fixture.world().store(), &fixture.attacker.scope(), &fixture.victim.request.id).await?;
        Ok(title.map(|title| format!("the title {title:?} of the victim's request")).into_iter().collect())
    }
}

impl Notes {
    async fn title_of(
        &self,
        store: &dyn Store,
        scope: &TenantScope,
        request: &RequestId,
    ) -> Result<Option<String>, Failure> {
        let found = if self.careless {
            let unit = store.platform(Grant::job("notes", "to read a title")?).await?;
            unit.requests().find(request).await?
        } else {
            store.tenant(scope).await?.requests().find(request).await?
        };
        Ok(found.map(|request| request.title))
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

/// Runs the suite on an extension created by `sql`.
async fn attacked(sql: &str) -> Report {
    let world = World::postgres().await.unwrap();
    run(world.url(), NOTES).await;
    run(world.url(), sql).await;
    Attacks::on(&world).with(&Notes { careless: false }).by_sql().await.unwrap()
}

/// Returns the names of the attacks that broke.
fn broken(report: &Report) -> Vec<&str> {
    report.breaches().map(|attack| attack.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_is_protected_well_holds() {
    let world = World::postgres().await.unwrap();
    run(world.url(), NOTES).await;

    let report = Attacks::on(&world).with(&Notes { careless: false }).run().await.unwrap();

    report.assert_held();
    let own = report
        .attacks()
        .iter()
        .filter(|attack| attack.name.starts_with("Note: ") || attack.name.starts_with("notes: "));
    assert_eq!(
        own.count(),
        6,
        "four on the table, and the service behind both isolation layers and behind the tenant filter"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_works_across_tenants_is_found_on_either_engine() {
    let careless = Notes { careless: true };
    for world in [World::sqlite().await.unwrap(), World::postgres().await.unwrap()] {
        let report = Attacks::on(&world).with(&careless).through_units().await.unwrap();

        assert_eq!(broken(&report), ["notes: its own attack sees nothing"]);
    }
}

#[tokio::test]
async fn a_table_without_a_policy_is_found() {
    let report = attacked("ALTER TABLE \"Note\" DISABLE ROW LEVEL SECURITY").await;

    let broken = broken(&report);
    assert!(!broken.is_empty() && broken.iter().all(|name| name.starts_with("Note: ")), "{report}");
}

#[tokio::test]
async fn a_table_that_holds_nothing_to_attack_is_not_taken_to_hold() {
    let world = World::postgres().await.unwrap();
    run(world.url(), NOTES).await;

    let report = Attacks::on(&world).by_sql().await.unwrap();

    assert!(report.to_string().contains("let an Extension plant one"), "{report}");
}

#[tokio::test]
async fn views_functions_and_tables_of_no_tenant_are_found() {
    for (sql, found) in [
        ("CREATE VIEW notes AS SELECT * FROM \"Note\"; GRANT SELECT ON notes TO rylie_tenant", "views"),
        (
            "CREATE MATERIALIZED VIEW counted AS SELECT \"tenantId\", count(*) FROM \"Request\" GROUP BY 1; \
             GRANT SELECT ON counted TO rylie_tenant",
            "views",
        ),
        (
            "CREATE FUNCTION notes_of(text) RETURNS SETOF \"Note\" LANGUAGE sql SECURITY DEFINER AS \
             'SELECT * FROM \"Note\" WHERE \"tenantId\" = $1'",
            "function",
        ),
        ("CREATE TABLE cache (key text, value text); GRANT SELECT ON cache TO rylie_tenant", "tables of no tenant"),
        ("CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO rylie_tenant", "sequence"),
    ] {
        let report = attacked(sql).await;

        let broken = broken(&report);
        assert!(!broken.is_empty() && broken.iter().all(|name| name.contains(found)), "{sql}\n{report}");
    }
}

#[tokio::test]
async fn what_was_looked_at_may_be_trusted_but_not_to_show_anothers_rows() {
    let world = World::postgres().await.unwrap();
    let sql = "CREATE TABLE cities (name text); GRANT SELECT ON cities TO rylie_tenant; \
               CREATE VIEW own AS SELECT id FROM \"Request\" WHERE \"tenantId\" = current_setting('rylie.tenant', true); \
               GRANT SELECT ON own TO rylie_tenant";
    run(world.url(), sql).await;
    let trusting = || Attacks::on(&world).trusting("cities").trusting("own").trusting("all_of_them");
    trusting().by_sql().await.unwrap().assert_held();

    run(
        world.url(),
        "CREATE VIEW all_of_them AS SELECT * FROM \"Request\"; GRANT SELECT ON all_of_them TO rylie_tenant",
    )
    .await;

    assert_eq!(broken(&trusting().by_sql().await.unwrap()), ["views show the own rows only"]);
}

/// Tests further rights of the role and code that runs on its writes: the report names each gap.
#[tokio::test]
async fn holes_beside_the_tables_of_public_are_found_by_name() {
    for (sql, found) in [
        (
            "CREATE TABLE \"Parted\" (id text, \"tenantId\" text NOT NULL) PARTITION BY HASH (id); \
             CREATE TABLE part PARTITION OF \"Parted\" FOR VALUES WITH (MODULUS 1, REMAINDER 0); \
             ALTER TABLE \"Parted\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; GRANT SELECT ON part TO rylie_tenant",
            "the tenant's role reaches a partition by a policy of its own only",
        ),
        (
            "CREATE SCHEMA aside; CREATE TABLE aside.notes (\"tenantId\" text); GRANT USAGE ON SCHEMA aside TO rylie_tenant; \
             GRANT SELECT ON aside.notes TO rylie_tenant",
            "the tenant's role reaches a table of another schema by a policy only",
        ),
        (
            "CREATE SCHEMA aside; CREATE VIEW aside.notes AS SELECT * FROM \"Note\"; GRANT USAGE ON SCHEMA aside TO rylie_tenant; \
             GRANT SELECT ON aside.notes TO rylie_tenant",
            "views work with the rights of who looks",
        ),
        (
            "CREATE SCHEMA aside; CREATE TABLE aside.cache (key text); GRANT USAGE ON SCHEMA aside TO rylie_tenant; \
             GRANT SELECT ON aside.cache TO rylie_tenant",
            "the tenant's role has no right on tables of no tenant",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere; \
             CREATE FOREIGN TABLE far (\"tenantId\" text) SERVER elsewhere; GRANT SELECT ON far TO rylie_tenant",
            "the tenant's role has no right on foreign tables",
        ),
        (
            "CREATE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN NEW; END $$; \
             CREATE TRIGGER copied BEFORE INSERT ON \"Request\" FOR EACH ROW EXECUTE FUNCTION copied()",
            "no trigger of a tenant's table works with its owner's rights",
        ),
        (
            "CREATE SCHEMA aside; GRANT USAGE ON SCHEMA aside TO rylie_tenant; CREATE FUNCTION aside.all_of_them() RETURNS bigint \
             LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM \"Request\"'",
            "the tenant's role calls no function with its owner's rights",
        ),
        (
            "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION helper() OWNER TO pg_database_owner",
            "every function that the tenant's role runs is the tables' owner's",
        ),
        (
            "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION helper() OWNER TO rylie_tenant",
            "the tenant's role owns nothing",
        ),
        ("GRANT CREATE ON SCHEMA public TO rylie_tenant", "the tenant's role makes nothing in a schema"),
        (
            "CREATE SCHEMA aside; GRANT CREATE ON SCHEMA aside TO rylie_tenant",
            "the tenant's role makes nothing in a schema",
        ),
        (
            "CREATE SCHEMA aside; GRANT USAGE ON SCHEMA aside TO PUBLIC",
            "the tenant's role looks into no schema but public",
        ),
        (
            "DROP TRIGGER \"Parent_userId_visible_insert\" ON \"Request\"",
            "a foreign key is no oracle, and holds no row to another tenant's (Request.userId)",
        ),
        (
            "DROP TRIGGER \"Parent_userId_visible_update\" ON \"Task\"",
            "a foreign key is no oracle, and holds no row to another tenant's (Task.userId)",
        ),
    ] {
        let report = attacked(sql).await;

        assert!(broken(&report).contains(&found), "{sql}\n{report}");
    }
}
