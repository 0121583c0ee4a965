//! Adoption, coexistence, end and undo on a server where no login of ours is a superuser. PostgreSQL only.

use rylie_migration::{AdoptOptions, Error, Refusal};
use rylie_testkit::Cluster;

use super::guide::{Place, everything_read, everything_written, on_a_managed_server};
use crate::support::raw::Raw;
use crate::support::sql::{deploy, migrations};

const REQUESTS: &str = "SELECT id FROM \"Request\" ORDER BY id";

async fn adopt(place: &Place) -> Option<String> {
    let adopted = migrations(&place.owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    adopted.missing_row_security
}

#[tokio::test]
async fn an_owner_who_may_create_roles_adopts_undoes_adopts_and_finishes() {
    // A private server, so that no role of ours exists before.
    let cluster = Cluster::private().await.unwrap();
    let place = on_a_managed_server(&cluster, "CREATEROLE").await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    let found = migrations(&place.owner).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await.unwrap();
    let preflight = found.preflight.unwrap();
    assert_eq!(preflight.blocking(), None, "{preflight:?}");
    assert!(preflight.findings.iter().all(|finding| finding.id != "row-security"), "{preflight:?}");

    for _ in 0..2 {
        assert_eq!(adopt(&place).await, None);
        assert_eq!(everything_read(&place.app).await, read);
        assert_eq!(everything_written(&place.app).await, written);
        assert_eq!(everything_written(&place.owner).await, written);
        assert_eq!(Raw::connect(&place.owner).await.as_tenant("a1", REQUESTS).await.unwrap(), ["r-ann"]);

        assert!(!migrations(&place.owner).await.undo_adoption(&mut |_| ()).await.unwrap().is_empty());
        assert_eq!(everything_read(&place.app).await, read);
        assert_eq!(everything_written(&place.app).await, written);
    }

    assert_eq!(adopt(&place).await, None);
    assert!(migrations(&place.owner).await.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(Raw::connect(&place.app).await.rows(REQUESTS).await, Ok(vec![]));
    assert_eq!(Raw::connect(&place.owner).await.rows(REQUESTS).await, Ok(vec![]));
    assert_eq!(Raw::connect(&place.owner).await.as_tenant("a1", REQUESTS).await.unwrap(), ["r-ann"]);
    let refused = migrations(&place.owner).await.undo_adoption(&mut |_| ()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Finished))), "{refused:?}");
    assert_eq!(deploy(&place.owner).await, Vec::<String>::new());
}

/// The tenant filter works, row-level security does not, and each step says so.
#[tokio::test]
async fn an_owner_who_may_not_create_roles_adopts_and_undoes_without_row_security() {
    let cluster = Cluster::private().await.unwrap();
    let place = on_a_managed_server(&cluster, "NOCREATEROLE").await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    let found = migrations(&place.owner).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await.unwrap();
    let preflight = found.preflight.unwrap();
    assert_eq!(preflight.blocking(), None, "{preflight:?}");
    assert!(preflight.findings.iter().any(|finding| finding.id == "row-security"), "{preflight:?}");

    assert!(adopt(&place).await.unwrap().contains("does not exist"));
    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
    let refused = migrations(&place.owner).await.finish_adoption(&mut |_| ()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NoRowSecurity { .. }))), "{refused:?}");
    assert!(!migrations(&place.owner).await.undo_adoption(&mut |_| ()).await.unwrap().is_empty());

    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
    assert!(migrations(&place.owner).await.needs_adoption().await.unwrap());
}
