//! Both isolation layers work on the replica as on the primary, together and each alone.

use std::panic::Location;
use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Server, UserFilter};
use rylie_testkit::attacks::{Attacks, Layers};
use rylie_testkit::{Replica, TestAgency, World};
use sqlx::{Connection, PgConnection};

use super::{REPLICA, caught_up, eventually, opens_on, replica};
use crate::isolation::TABLES;

/// Two agencies with rows, which the replica has too.
struct Two<'w> {
    ours: TestAgency<'w>,
    theirs: TestAgency<'w>,
    secret: Request,
    store: Arc<dyn Store>,
}

impl<'w> Two<'w> {
    async fn of(world: &'w World) -> Self {
        let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
        ours.request().await.unwrap();
        let secret = theirs.request().await.unwrap();
        let unit = theirs.unit().await.unwrap();
        unit.tasks().add(&secret.id, NewTask::new("theirs", TaskType::Page)).await.unwrap();
        unit.commit().await.unwrap();
        caught_up(&*world.store(), &ours.scope()).await;
        Self { ours, theirs, secret, store: world.store() }
    }

    /// No row of theirs is visible in our units, by any query.
    async fn stand_apart(&self, options: UnitOptions, server: Server) {
        let unit = self.store.open_tenant(&self.ours.scope(), options, Location::caller()).await.unwrap();
        assert!(unit.requests().find_many(std::slice::from_ref(&self.secret.id)).await.unwrap().is_empty());
        let page = PageRequest::default();
        assert_eq!(unit.requests().find(&self.secret.id).await.unwrap(), None);
        assert!(unit.requests().get_with_tasks(&self.secret.id).await.is_err());
        assert_eq!(unit.requests().list(RequestFilter::default(), page).await.unwrap().total, 1);
        let walked = unit.requests().list_after(RequestFilter::default(), KeysetRequest::default()).await.unwrap();
        assert_eq!(walked.items.len(), 1);
        let by_user = RequestFilter { user: Some(self.secret.user_id.clone()), ..Default::default() };
        assert_eq!(unit.requests().list(by_user, page).await.unwrap().total, 0);
        assert_eq!(unit.tasks().list(TaskFilter::default(), page).await.unwrap().total, 0);
        assert_eq!(unit.users().find(&self.theirs.admin.user.id).await.unwrap(), None);
        assert_eq!(unit.users().list(UserFilter::default(), page).await.unwrap().total, 1);
        assert_eq!(unit.agencies().list(page).await.unwrap().total, 1);
        let records = unit.audit().list(AuditFilter::default(), page).await.unwrap().items;
        assert!(records.iter().all(|record| record.tenant_id.as_str() == self.ours.agency.id.as_str()));
        assert_eq!(unit.server(), server);

        let unit = self.store.open_tenant(&self.theirs.scope(), options, Location::caller()).await.unwrap();
        assert!(unit.requests().find(&self.secret.id).await.unwrap().is_some(), "what is not seen is there");
        assert_eq!(unit.tasks().list(TaskFilter::default(), page).await.unwrap().total, 1, "what is not seen is there");
        assert_eq!(unit.server(), server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_isolation_layers_hold_off_every_attack_on_the_replica() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();

    let report = Attacks::on(&world).through_replicas().await.unwrap();

    report.assert_held();
    let behind = |layers| report.attacks().iter().filter(|attack| attack.layers == layers).count();
    assert_eq!((behind(Layers::Both), behind(Layers::TenantFilter)), (9, 9), "{report}");
}

/// Options of units that may read from a replica, with the expected server.
fn however_opened() -> [(UnitOptions, Server); 3] {
    let elsewhere = UnitOptions::autocommit().on_primary();
    [(UnitOptions::read_only(), REPLICA), (UnitOptions::autocommit(), REPLICA), (elsewhere, Server::Primary)]
}

#[tokio::test]
async fn tenants_stand_apart_on_the_replica() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();

    let two = Two::of(&world).await;
    for (options, server) in however_opened() {
        two.stand_apart(options, server).await;
    }
}

#[tokio::test]
async fn the_tenant_filter_alone_keeps_tenants_apart_on_the_replica() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let two = Two::of(&world).await;
    let mut raw = crate::support::sql::Sql::connect(world.url()).await;
    for table in TABLES {
        raw.run(&format!("ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")).await;
    }
    caught_up(&*world.store(), &two.ours.scope()).await;
    let seen = as_tenant(&world, &replica, "nobody", "SELECT count(*) FROM \"Request\"").await;
    assert_eq!(seen, 2, "row-level security still holds");

    for (options, server) in however_opened() {
        two.stand_apart(options, server).await;
    }
}

#[tokio::test]
async fn row_level_security_alone_keeps_tenants_apart_on_the_replica() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let two = Two::of(&world).await;

    for table in TABLES {
        let foreign = format!("SELECT count(*) FROM \"{table}\" WHERE \"tenantId\" <> current_setting('rylie.tenant')");
        let readable = format!("SELECT has_table_privilege('rylie_tenant', '\"{table}\"', 'SELECT')::int::bigint");
        let tenant = two.ours.agency.id.as_str();
        if as_tenant(&world, &replica, tenant, &readable).await == 1 {
            assert_eq!(as_tenant(&world, &replica, tenant, &foreign).await, 0, "{table}");
        }
    }
    let theirs = two.theirs.agency.id.as_str();
    assert_eq!(as_tenant(&world, &replica, theirs, "SELECT count(*) FROM \"Request\"").await, 1);
    assert_eq!(
        as_tenant(&world, &replica, "", "SELECT count(*) FROM \"Request\"").await,
        0,
        "nothing set, nothing seen"
    );
}

/// Runs SQL in the tenant role on the replica, without the tenant filter. Returns its number.
async fn as_tenant(world: &World, replica: &Replica, tenant: &str, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(&world.replica_url(replica).unwrap()).await.unwrap();
    let mut unit = connection.begin().await.unwrap();
    sqlx::query("SELECT set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', $1, true)")
        .bind(tenant)
        .execute(&mut *unit)
        .await
        .unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&mut *unit).await.unwrap()
}

/// Replicas whose login bypasses a policy are not used.
#[tokio::test]
async fn a_login_that_bypasses_policies_is_not_used() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let agency = world.agency().await.unwrap();
    let mut raw = crate::support::sql::Sql::connect(world.url()).await;
    raw.run("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader").await;
    caught_up(&*world.store(), &agency.scope()).await;

    let url = world.replica_url(&replica).unwrap().replacen("//postgres:", "//reader:", 1);
    let database = world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();
    let reported = async || database.replicas()[0].reason.contains("row-level security");
    eventually("it is told why", reported).await;
    let read = UnitOptions::read_only();
    assert_eq!(opens_on(&*database.store(), &agency.scope(), read).await, Server::Primary);
    raw.run("DROP OWNED BY reader; DROP ROLE reader").await;
}
