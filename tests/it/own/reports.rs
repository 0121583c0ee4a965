//! A reader of one tenant reads the rows of own tables, and no sealed column. PostgreSQL.

use rylie_db::migration::{Login, Password, Provision, Sees};
use rylie_db::own::*;
use rylie_testkit::{TestAgency, World};
use sqlx::{Connection, PgConnection};

use super::comments::{self, Comments};
use super::later_version::EXTEND;
use crate::support::logins::url_as;

const REPORT: &str = "SELECT body FROM \"Comment\" ORDER BY body";

async fn comment(agency: &TestAgency<'_>, body: &str) {
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let comment = unit.comments().add(&request, None, body).await.unwrap();
    unit.comments().set_phone(&comment.id, &"1".into()).await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_report_reads_own_rows_of_its_tenant_and_no_secret() {
    let world = World::postgres_with(comments::schema()).await.unwrap();
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    comment(&ours, "ours").await;
    comment(&theirs, "theirs").await;
    let mut raw = PgConnection::connect(world.url()).await.unwrap();
    let database: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut raw).await.unwrap();
    let name = format!("reports_{}", database.trim_start_matches("rylie_test_"));
    let readonly = Some(Login { name: name.clone(), password: Some(Password::new("x").unwrap()) });
    let sees = Some(Sees::Tenant(TenantId::of_agency(&ours.agency.id).as_str().to_owned()));
    let wanted = Provision { readonly, sees, ..Provision::default() };
    world.database().migrations().await.unwrap().provision(&wanted).await.unwrap();

    let mut reader = PgConnection::connect(&url_as(world.url(), &name)).await.unwrap();
    let read = sqlx::query_scalar::<_, String>(REPORT).fetch_all(&mut reader).await.unwrap();
    assert_eq!(read, ["ours"]);
    for refused in ["SELECT phone FROM \"Comment\"", "SELECT * FROM \"Comment\"", "UPDATE \"Comment\" SET body = 'x'"] {
        let refused = sqlx::query(refused).execute(&mut reader).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
    }
    let drift = world.database().migrations().await.unwrap().drift().await.unwrap();
    assert_eq!((drift.differences, drift.extra), (vec![], vec![]));

    // A column of a later version is readable after its deploy.
    let later = world.database().config().clone().with(comments::schema().migration(&EXTEND)).unwrap();
    let mut migrations = later.migrations().await.unwrap();
    migrations.deploy(&mut |_| ()).await.unwrap();
    let pinned = sqlx::query_scalar::<_, bool>("SELECT pinned FROM \"Comment\"").fetch_all(&mut reader).await.unwrap();
    assert_eq!(pinned, [false]);
    let drift = migrations.drift().await.unwrap();
    assert_eq!((drift.differences, drift.extra), (vec![], vec![]));
}
