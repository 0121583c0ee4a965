//! Each part of the protection that is missing is named.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use rylie_db::own::*;
use rylie_testkit::World;
use rylie_testkit::own::problems;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::comments::{self, comment};

mod bare {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Bare", rename_all = "camelCase")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub request_id: RequestId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A table as it is made without this library.
struct CreateBare;

impl Migration for CreateBare {
    fn name(&self) -> &'static str {
        "own_m20261201_000001_create_bare"
    }

    fn up(&self, _: Engine) -> Vec<Step> {
        let sql = "CREATE TABLE IF NOT EXISTS \"Bare\" (id text PRIMARY KEY NOT NULL, \"tenantId\" text, \
             \"requestId\" text NOT NULL REFERENCES \"Request\"(id))";
        vec![Step::Sql(sql.into())]
    }

    fn down(&self, _: Engine) -> Vec<Step> {
        vec![Step::Sql("DROP TABLE IF EXISTS \"Bare\"".into())]
    }
}

const COMMON: [&str; 5] = [
    "missing an index by tenantId,id, the order of its lists",
    "missing the tenant key",
    "missing the check that the tenant key is not empty",
    "missing an index that begins with the tenant",
    "missing the tenant in the foreign key",
];

#[tokio::test]
async fn a_table_without_the_protection_lacks_each_part_by_name() {
    let schema = || Schema::new().table::<bare::Entity>(&CreateBare);
    let on_sqlite = problems::<bare::Entity>(&World::sqlite_with(schema()).await.unwrap()).await.unwrap();
    let on_postgres = problems::<bare::Entity>(&World::postgres_with(schema()).await.unwrap()).await.unwrap();

    for part in COMMON {
        assert!(on_sqlite.iter().any(|found| found.starts_with(part)), "{part}: {on_sqlite:?}");
        assert!(on_postgres.iter().any(|found| found.starts_with(part)), "{part}: {on_postgres:?}");
    }
    for part in [
        "missing the policy rylie_tenant",
        "missing the policy rylie_platform",
        "missing the policies in force, also for the owner",
        "missing the grant of SELECT to rylie_tenant",
        "missing the function by which rows are read by id",
    ] {
        assert!(on_postgres.iter().any(|found| found == part), "{part}: {on_postgres:?}");
    }
}

#[tokio::test]
async fn what_is_dropped_later_is_named_and_differs_from_the_migrations() {
    let dropped = [
        ("DROP POLICY rylie_tenant ON \"Comment\"", "the policy rylie_tenant"),
        ("ALTER TABLE \"Comment\" NO FORCE ROW LEVEL SECURITY", "the policies in force"),
        ("REVOKE INSERT ON \"Comment\" FROM rylie_tenant", "the grant of INSERT to rylie_tenant"),
        ("DROP FUNCTION own_comment_by_id", "the function by which rows are read by id"),
        ("ALTER TABLE \"Comment\" DROP CONSTRAINT \"Comment_tenantId_check\"", "the check that the tenant key"),
        ("DROP TRIGGER \"Parent_authorId_visible_insert\" ON \"Comment\"", "the foreign key Comment_authorId_fkey"),
        ("ALTER TABLE \"Comment\" DROP COLUMN body", "the column body"),
        ("DROP TABLE \"Comment\"", "the table"),
    ];
    let world = World::postgres_with(comments::schema()).await.unwrap();
    let mut raw = PgConnection::connect(world.url()).await.unwrap();
    assert_eq!(problems::<comment::Entity>(&world).await.unwrap(), Vec::<String>::new());
    for (sql, named) in dropped {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
        let found = problems::<comment::Entity>(&world).await.unwrap();
        assert!(found.iter().any(|found| found.contains(named)), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_weaker_policy_index_or_key_is_a_difference_by_name() {
    let world = World::postgres_with(comments::schema()).await.unwrap();
    let mut raw = PgConnection::connect(world.url()).await.unwrap();
    let weaker = "ALTER POLICY rylie_tenant ON \"Comment\" USING (true); \
         DROP INDEX \"Comment_tenantId_requestId_idx\"; \
         ALTER TABLE \"Comment\" DROP CONSTRAINT \"Comment_requestId_tenantId_fkey\"";
    sqlx::raw_sql(weaker).execute(&mut raw).await.unwrap();
    let drift = world.database().migrations().await.unwrap().drift().await.unwrap();
    let named: Vec<_> = drift.differences.iter().map(|difference| difference.object.as_str()).collect();

    for part in ["rylie_tenant", "Comment_tenantId_requestId_idx", "Comment_requestId_tenantId_fkey"] {
        assert!(named.iter().any(|object| object.contains(part) && object.contains("Comment")), "{part}: {named:?}");
    }
}

/// Returns the message of the panic.
async fn panics(world: &World) -> String {
    let asserted = AssertUnwindSafe(rylie_testkit::own::assert_all_isolated(world)).catch_unwind().await;
    let panic = asserted.unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

const DROPPED: [&str; 4] = [
    "DROP INDEX \"NoteTag_id_tenantId_key\"",
    "DROP INDEX \"NoteTag_tenantId_list_idx\"",
    "DROP INDEX \"NoteTag_tenantId_noteId_tagId_key\"",
    "DROP INDEX \"Tag_tenantId_name_key\"",
];

/// Each part is one line, under the table that it belongs to.
fn is_named(found: &str, table: &str, part: &str) {
    let mut lines = found.lines().filter(|line| line.contains(part));
    let (line, other) = (lines.next().unwrap_or_default(), lines.find(|line| !line.starts_with(table)));
    assert!(line.starts_with(&format!("{table}: ")) && other.is_none(), "{table} {part}:\n{found}");
}

#[tokio::test]
async fn every_missing_part_is_named_under_its_table_on_sqlite() {
    let world = World::sqlite_with(super::downstream::schema()).await.unwrap();
    rylie_testkit::own::assert_all_isolated(&world).await;
    let mut raw = SqliteConnection::connect(world.url()).await.unwrap();
    for sql in DROPPED {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
    }
    let found = panics(&world).await;
    for part in ["NoteTag_id_tenantId_key", "NoteTag_tenantId_list_idx", "NoteTag_tenantId_noteId_tagId_key"] {
        is_named(&found, "NoteTag", part);
    }
    is_named(&found, "Tag", "Tag_tenantId_name_key");
    is_named(&found, "NoteTag", "missing `unique` of noteId, tagId");
}

#[tokio::test]
async fn every_missing_part_is_named_under_its_table_on_postgres() {
    let world = World::postgres_with(super::downstream::schema()).await.unwrap();
    rylie_testkit::own::assert_all_isolated(&world).await;
    let mut raw = PgConnection::connect(world.url()).await.unwrap();
    let keys = ["noteId", "tagId"].map(|column| format!("NoteTag_{column}_tenantId_fkey"));
    for key in &keys {
        let sql = format!("ALTER TABLE \"NoteTag\" DROP CONSTRAINT \"{key}\"");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
    }
    for sql in DROPPED {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
    }
    let found = panics(&world).await;
    for part in keys.iter().map(String::as_str).chain([
        "NoteTag_id_tenantId_key",
        "NoteTag_tenantId_list_idx",
        "NoteTag_tenantId_noteId_tagId_key",
        "missing the foreign key of noteId to Note",
        "missing the foreign key of tagId to Tag",
        "missing `unique` of noteId, tagId",
    ]) {
        is_named(&found, "NoteTag", part);
    }
    is_named(&found, "Tag", "Tag_tenantId_name_key");
    assert!(!found.lines().any(|line| line.starts_with("Note: ")), "{found}");
}
