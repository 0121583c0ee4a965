//! Values of other types in text columns. SQLite only: PostgreSQL stores only text there.

use rylie_db::audit::Tampering;

use super::world;
use crate::support::audit::{Outside, found, superuser};
use crate::support::sql::Sql;

#[tokio::test]
async fn texts_that_are_none_are_sealed_and_distinguished_on_sqlite() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    for (id, action, details) in [
        ("blob", "x'ff'", "x'00'"),
        ("bytes", "CAST(x'ff' AS text)", "'no JSON'"),
        ("twice", "'x'", "'{\"a\":1,\"a\":2}'"),
    ] {
        sql.run(&format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details) VALUES ('{id}', 'x', {action}, 'y', {details})")).await;
    }
    outside.seal(&world).await;
    assert_eq!(outside.verify(&world).await.first_bad, None);
    let mut sql = superuser(&world).await;

    for (id, change, back) in [
        ("blob", "action = x'fe'", "action = x'ff'"),
        ("twice", "details = '{\"a\":2}'", "details = '{\"a\":1,\"a\":2}'"),
        ("twice", "\"createdAt\" = \"createdAt\" || '+05:00'", "\"createdAt\" = replace(\"createdAt\", '+05:00', '')"),
    ] {
        sql.run(&format!("UPDATE \"AuditLog\" SET {change} WHERE id = '{id}'")).await;
        let finding = found(&world, &outside).await;
        assert_eq!((finding.what, finding.record.as_deref()), (Tampering::Changed, Some(id)), "{change}");
        sql.run(&format!("UPDATE \"AuditLog\" SET {back} WHERE id = '{id}'")).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{back}");
    }
}
