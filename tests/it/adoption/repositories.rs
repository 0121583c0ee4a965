//! Reads a database of the old service, which still writes to it, through every repository.

use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::entities::Token;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, UserFilter};
use rylie_migration::{AdoptOptions, Migrations};
use rylie_testkit::Cluster;

use crate::support::old_service::{fill, make_base};
use crate::support::sql::Sql;

#[tokio::test]
async fn every_repository_reads_what_the_old_service_wrote() {
    let place = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = place.url();
    make_base(&url).await;
    fill(&mut Sql::connect(&url).await).await;
    let adoption =
        Migrations::connect(&url).await.unwrap().adopt(AdoptOptions { dry_run: false }, &mut |_| ()).await.unwrap();
    assert_eq!((adoption.tables["User"], adoption.tables["Request"]), (3, 3));

    let keys = tempfile::TempDir::new().unwrap();
    let keyring = keys.path().join("keyring.json");
    KeyFile::new(&keyring).create(&Keyring::generate().unwrap()).unwrap();
    let config = Config::builder().set("database_url", &url).unwrap().set("keyring", keyring.display()).unwrap();
    let database = Database::connect(config.build().unwrap()).await.unwrap();
    assert!(database.health().await.unwrap().is_ready());
    let store = database.store();
    let all = PageRequest::default;
    let ann = "ann".parse::<UserId>().unwrap();

    let unit = store.platform(Grant::job("test", "reads everything").unwrap()).await.unwrap();
    assert_eq!(unit.users().list(UserFilter::default(), all()).await.unwrap().total, 3);
    assert_eq!(unit.agencies().list(all()).await.unwrap().total, 2);
    assert_eq!(unit.requests().list(RequestFilter::default(), all()).await.unwrap().items.len(), 3);
    assert_eq!(unit.tasks().list(TaskFilter::default(), all()).await.unwrap().items.len(), 3);
    assert_eq!(unit.seoworks_mappings().list(all()).await.unwrap().items.len(), 3);
    assert_eq!(unit.usage().list(None, all()).await.unwrap().items.len(), 3);
    assert_eq!(
        unit.audit().list(AuditFilter { resource: Some("y".into()), ..Default::default() }, all()).await.unwrap().total,
        3
    );
    assert!(unit.preferences().find(&ann).await.unwrap().is_some());
    assert_eq!(unit.accounts().list_of(&ann).await.unwrap().len(), 1);
    assert!(unit.settings().find().await.unwrap().is_none());
    // Tokens that the old service stored before it encrypted them.
    let tokens = unit.ga4_connections().open_tokens(&ann).await.unwrap().unwrap();
    assert!(tokens.access == Secret::from("t"));
    assert!(unit.search_console_connections().open_tokens(&ann).await.unwrap().is_some());
    drop(unit);

    // Sessions of the old service remain valid.
    let mut sql = Sql::connect(&url).await;
    sql.run("UPDATE \"Session\" SET expires = now() + interval '1 hour'").await;
    let identity = store.identity().await.unwrap();
    let user = identity.sessions().signed_in(&Token::new("ann")).await.unwrap().unwrap();
    drop(identity);
    let unit = store.tenant(&TenantScope::of(&user, Origin::default())).await.unwrap();
    assert_eq!(unit.requests().list(RequestFilter::default(), all()).await.unwrap().total, 1);
}
