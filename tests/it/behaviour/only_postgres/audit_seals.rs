//! Records that commit out of order. PostgreSQL only: SQLite has one writer, so records commit in the order of their
//! positions.

use rylie_db::prelude::*;

use super::world;
use crate::support::audit::{Outside, record};
use crate::support::sql::Sql;

#[tokio::test]
async fn a_record_that_commits_late_is_sealed_by_a_later_batch() {
    let (world, outside) = (world().await, Outside::new());
    let (slow, quick) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let late = slow.unit().await.unwrap();
    late.audit().record(Event::new(Action::Deleted).on_row("Request", "late")).await.unwrap();
    record(&quick, 1).await;
    outside.seal(&world).await;
    late.commit().await.unwrap();
    outside.seal(&world).await;

    let mut sql = Sql::connect(world.url()).await;
    let batch = "SELECT l.batch::text FROM rylie_audit_leaf l JOIN \"AuditLog\" a ON a.id = l.record_id WHERE a.\"resourceId\" = 'late'";
    assert_eq!(sql.one(batch).await, "2");
    assert_eq!(outside.verify(&world).await.first_bad, None);
}
