//! A verification compares texts by their bytes, and reads tables only as a deploy makes them. So nothing hides a record
//! from it that the other readers of the log see.

use rylie_db::audit::Tampering;
use rylie_testkit::World;

use super::world;
use crate::support::audit::{Outside, found, record, sealed, superuser, victim};
use crate::support::sql::{Sql, is_sqlite};

/// A sealed log with a pending record, and a superuser.
async fn pending() -> (World, Outside, Sql) {
    let (world, outside) = sealed(world().await).await;
    record(&world.agency().await.unwrap(), 1).await;
    let sql = superuser(&world).await;
    (world, outside, sql)
}

/// Gives `record_id` of a table a collation under which different texts are equal.
async fn compare_loosely(sql: &mut Sql, table: &str, collation: &str) {
    if let Sql::Postgres(_) = sql {
        sql.run(
            "CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
        .await;
        sql.run(&format!("ALTER TABLE {table} ALTER record_id TYPE text COLLATE loose")).await;
        return;
    }
    let create = sql.one(&format!("SELECT sql FROM sqlite_schema WHERE name = '{table}'")).await;
    let loose = ["record_id text NOT NULL", "record_id TEXT NOT NULL"]
        .iter()
        .fold(create.clone(), |sql, column| sql.replace(column, &format!("{column} COLLATE {collation}")));
    assert_ne!(loose, create);
    sql.run(&format!(
        "ALTER TABLE {table} RENAME TO before; {loose}; INSERT INTO {table} SELECT * FROM before; DROP TABLE before"
    ))
    .await;
}

/// Adds a copy of a record under an id that is equal by a loose collation. Returns that id.
async fn copy(sql: &mut Sql, id: &str, collation: &str) -> String {
    let forged = if collation == "RTRIM" { format!("{id} ") } else { id.to_uppercase() };
    sql.run(&format!(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) \
         SELECT '{forged}', 'forger', action, resource, \"tenantId\", position FROM \"AuditLog\" WHERE id = '{id}'"
    ))
    .await;
    forged
}

fn collations(world: &World) -> &'static [&'static str] {
    if is_sqlite(world.url()) { &["NOCASE", "RTRIM"] } else { &["loose"] }
}

#[tokio::test]
async fn no_collation_hides_a_record() {
    for table in ["rylie_audit_leaf", "rylie_audit_pending"] {
        for number in 0.. {
            let (world, outside, mut sql) = pending().await;
            let Some(collation) = collations(&world).get(number) else { break };
            compare_loosely(&mut sql, table, collation).await;
            assert_eq!(outside.verify(&world).await.first_bad, None, "{table} {collation}");
            let id = if table == "rylie_audit_leaf" {
                victim(&mut sql).await
            } else {
                sql.one("SELECT record_id FROM rylie_audit_pending ORDER BY position DESC LIMIT 1").await
            };
            let forged = copy(&mut sql, &id, collation).await;

            let finding = found(&world, &outside).await;

            let expected = (Tampering::Added, Some(forged.as_str()));
            assert_eq!((finding.what, finding.record.as_deref()), expected, "{table} {collation}");
        }
    }
}

#[tokio::test]
async fn no_collation_lets_a_sealer_seal_another_record_than_the_pending_one() {
    for number in 0.. {
        let (world, outside, mut sql) = pending().await;
        let Some(collation) = collations(&world).get(number) else { break };
        compare_loosely(&mut sql, "rylie_audit_pending", collation).await;
        let id = sql.one("SELECT record_id FROM rylie_audit_pending ORDER BY position DESC LIMIT 1").await;
        let forged = copy(&mut sql, &id, collation).await;

        outside.seal(&world).await;

        let finding = found(&world, &outside).await;
        let expected = (Tampering::Added, Some(forged.as_str()));
        assert_eq!((finding.what, finding.record.as_deref()), expected, "{collation}");
    }
}

#[tokio::test]
async fn a_view_in_place_of_a_table_is_named() {
    let (world, outside, mut sql) = pending().await;
    for table in ["AuditLog", "rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf", "rylie_audit_pending"] {
        sql.run(&format!("ALTER TABLE \"{table}\" RENAME TO kept; CREATE VIEW \"{table}\" AS SELECT * FROM kept"))
            .await;

        let finding = found(&world, &outside).await;

        assert_eq!(finding.what, Tampering::Hidden, "{table}");
        assert!(finding.detail.contains(table) && finding.detail.contains("it is a view"), "{finding:?}");
        sql.run(&format!("DROP VIEW \"{table}\"; ALTER TABLE kept RENAME TO \"{table}\"")).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{table}");
    }
}

#[tokio::test]
async fn a_missing_column_or_table_is_a_finding() {
    for (change, what, names) in [
        ("ALTER TABLE rylie_audit_leaf DROP COLUMN who_salt", Tampering::Changed, "who_salt of rylie_audit_leaf"),
        ("ALTER TABLE rylie_audit_tenant DROP COLUMN root", Tampering::Changed, "root of rylie_audit_tenant"),
        ("ALTER TABLE rylie_audit_batch DROP COLUMN removed_at", Tampering::Changed, "removed_at of rylie_audit_batch"),
        ("ALTER TABLE rylie_audit_leaf RENAME COLUMN leaf TO leaves", Tampering::Changed, "leaf of rylie_audit_leaf"),
        ("DROP TABLE rylie_audit_tenant", Tampering::Removed, "rylie_audit_tenant"),
    ] {
        let (world, outside, mut sql) = pending().await;
        sql.run(change).await;

        let finding = found(&world, &outside).await;

        assert_eq!(finding.what, what, "{change}");
        assert!(finding.detail.contains(names), "{finding:?}");
    }
}

#[tokio::test]
async fn a_column_of_another_type_is_a_finding() {
    let (world, outside, mut sql) = pending().await;
    let changes: &[[&str; 3]] = if is_sqlite(world.url()) {
        &[
            ["rylie_audit_leaf", "record_id TEXT", "record_id NUMERIC"],
            ["rylie_audit_leaf", "number bigint", "number TEXT"],
            ["rylie_audit_pending", "record_id TEXT", "record_id INTEGER"],
            ["rylie_audit_tenant", "root BLOB", "root TEXT"],
        ]
    } else {
        &[
            ["rylie_audit_leaf", "number", "text"],
            ["rylie_audit_leaf", "batch", "text"],
            ["rylie_audit_batch", "batch", "text"],
            ["rylie_audit_pending", "record_id", "bytea USING convert_to(record_id, 'UTF8')"],
            ["rylie_audit_batch", "total", "numeric"],
        ]
    };
    for [table, was, is] in changes {
        if let Sql::Postgres(_) = sql {
            sql.run(&format!("ALTER TABLE {table} ALTER {was} TYPE {is}")).await;
        } else {
            // The names of columns and types are written in either case.
            let create = sql.one(&format!("SELECT sql FROM sqlite_schema WHERE name = '{table}'")).await;
            let at = create.to_lowercase().find(&was.to_lowercase()).unwrap_or_else(|| panic!("{create}"));
            let create = format!("{}{is}{}", &create[..at], &create[at + was.len()..]);
            sql.run(&format!("ALTER TABLE {table} RENAME TO kept; {create}; INSERT INTO {table} SELECT * FROM kept"))
                .await;
        }

        let finding = found(&world, &outside).await;

        assert_eq!(finding.what, Tampering::Changed, "{table} {was}: {finding:?}");
        let column = was.split(' ').next().unwrap();
        assert!(finding.detail.contains(&format!("{column} of {table}")), "{finding:?}");
        if let Sql::Postgres(_) = sql {
            let back = match *was {
                "record_id" => "text USING convert_from(record_id, 'UTF8')".to_owned(),
                _ => format!("bigint USING {was}::bigint"),
            };
            sql.run(&format!("ALTER TABLE {table} ALTER {was} TYPE {back}")).await;
        } else {
            sql.run(&format!("DROP TABLE {table}; ALTER TABLE kept RENAME TO {table}")).await;
        }
        assert_eq!(outside.verify(&world).await.first_bad, None, "{table} {was}");
    }
}

#[tokio::test]
async fn a_pending_row_without_a_position_is_named() {
    let (world, outside, mut sql) = pending().await;
    if is_sqlite(world.url()) {
        sql.run("ALTER TABLE rylie_audit_pending RENAME TO kept; CREATE TABLE rylie_audit_pending (position INTEGER, record_id TEXT); \
                 INSERT INTO rylie_audit_pending SELECT NULL, record_id FROM kept; DROP TABLE kept")
            .await;
    } else {
        sql.run(
            "ALTER TABLE rylie_audit_pending DROP CONSTRAINT rylie_audit_pending_pkey, ALTER position DROP NOT NULL; \
                 UPDATE rylie_audit_pending SET position = NULL",
        )
        .await;
    }

    assert_eq!(found(&world, &outside).await.what, Tampering::Changed);
}
