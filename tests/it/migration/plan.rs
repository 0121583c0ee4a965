//! Compares the locks and rewrites of the plan with those of a server.

use std::collections::BTreeMap;

use rylie_db::lint::{LockMode, effect, plan};
use rylie_testkit::{Cluster, PostgresDatabase, SqliteDatabase};

use crate::support::sql::{Sql, deploy, migrations};

const TABLES: &str = r#"
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE parent (id text PRIMARY KEY, code text NOT NULL);
    CREATE TABLE child (id text PRIMARY KEY, "parentId" text CONSTRAINT child_parent REFERENCES parent (id), n integer, at timestamp(3), mood mood);
    CREATE TABLE other (id text PRIMARY KEY, n integer NOT NULL);
    ALTER TABLE other ADD CONSTRAINT other_check CHECK (n > 0) NOT VALID;
    CREATE TABLE many (id text, day date NOT NULL) PARTITION BY RANGE (day);
    CREATE TABLE many_1 PARTITION OF many FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE many_2 (id text, day date NOT NULL);
    CREATE INDEX child_n ON child (n);
    CREATE UNIQUE INDEX other_n ON other (n);
    CREATE SEQUENCE numbers;
    CREATE VIEW seen AS SELECT id FROM child;
    CREATE MATERIALIZED VIEW kept AS SELECT id FROM child;
    CREATE UNIQUE INDEX kept_id ON kept (id);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER watch BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION nothing();
    CREATE POLICY own ON child USING (true);
    CREATE RULE ignored AS ON DELETE TO other DO NOTHING;
    INSERT INTO parent VALUES ('p', 'c'); INSERT INTO child VALUES ('c', 'p', 1, now(), 'good'); INSERT INTO other VALUES ('o', 1);
"#;

/// Each kind of statement that can run inside a transaction.
const STATEMENTS: &[&str] = &[
    "CREATE INDEX i ON child (at)",
    "CREATE UNIQUE INDEX i ON child (id, n)",
    "DROP INDEX child_n",
    "ALTER INDEX child_n RENAME TO child_number",
    "ALTER INDEX child_n SET (fillfactor = 50)",
    "REINDEX TABLE child",
    "REINDEX INDEX child_n",
    "ALTER TABLE child ADD COLUMN a text",
    "ALTER TABLE child ADD COLUMN a text DEFAULT ''",
    "ALTER TABLE child ADD COLUMN a timestamp DEFAULT now()",
    "ALTER TABLE child ADD COLUMN a text DEFAULT upper('x')",
    "ALTER TABLE child ADD COLUMN a text DEFAULT gen_random_uuid()::text",
    "ALTER TABLE child ADD COLUMN a double precision DEFAULT random()",
    "ALTER TABLE child ADD COLUMN a timestamp DEFAULT clock_timestamp()",
    "ALTER TABLE child ADD COLUMN a bigint DEFAULT nextval('numbers')",
    "ALTER TABLE child ADD COLUMN a serial",
    "ALTER TABLE child ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE child ADD COLUMN a integer GENERATED ALWAYS AS (n + 1) STORED",
    "ALTER TABLE child ADD COLUMN a text REFERENCES parent (id)",
    "ALTER TABLE child DROP COLUMN at",
    "ALTER TABLE child RENAME COLUMN at TO made",
    "ALTER TABLE other RENAME TO others",
    "ALTER TABLE child ALTER COLUMN n TYPE bigint",
    "ALTER TABLE child ALTER COLUMN n TYPE text USING n::text",
    "ALTER TABLE child ALTER COLUMN n SET DEFAULT 1",
    "ALTER TABLE child ALTER COLUMN n DROP DEFAULT",
    "ALTER TABLE child ALTER COLUMN n SET NOT NULL",
    "ALTER TABLE parent ALTER COLUMN code DROP NOT NULL",
    "ALTER TABLE child ALTER COLUMN n SET STATISTICS 500",
    "ALTER TABLE child ALTER COLUMN n SET (n_distinct = 5)",
    "ALTER TABLE child ALTER COLUMN id SET STORAGE EXTERNAL",
    "ALTER TABLE child ADD CONSTRAINT k CHECK (n > 0)",
    "ALTER TABLE child ADD CONSTRAINT k CHECK (n > 0) NOT VALID",
    "ALTER TABLE other VALIDATE CONSTRAINT other_check",
    "ALTER TABLE child ADD CONSTRAINT k UNIQUE (n)",
    "ALTER TABLE other ADD CONSTRAINT k UNIQUE USING INDEX other_n",
    "ALTER TABLE other ADD CONSTRAINT k EXCLUDE USING btree (id WITH =)",
    "ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id) NOT VALID",
    "ALTER TABLE other DROP CONSTRAINT other_check",
    "ALTER TABLE child RENAME CONSTRAINT child_parent TO k",
    "ALTER TABLE child SET (fillfactor = 70)",
    "ALTER TABLE child RESET (autovacuum_enabled)",
    "ALTER TABLE child CLUSTER ON child_n",
    "ALTER TABLE child SET WITHOUT CLUSTER",
    "ALTER TABLE child ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE child FORCE ROW LEVEL SECURITY",
    "ALTER TABLE child DISABLE TRIGGER watch",
    "ALTER TABLE child ENABLE TRIGGER ALL",
    "ALTER TABLE child REPLICA IDENTITY FULL",
    "ALTER TABLE other SET UNLOGGED",
    "ALTER TABLE child OWNER TO CURRENT_USER",
    "ALTER TABLE many ATTACH PARTITION many_2 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "ALTER TABLE many DETACH PARTITION many_1",
    "CREATE TRIGGER t BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION nothing()",
    "CREATE OR REPLACE TRIGGER watch BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION nothing()",
    "ALTER TRIGGER watch ON child RENAME TO watched",
    "DROP TRIGGER watch ON child",
    "CREATE POLICY p ON child USING (true)",
    "ALTER POLICY own ON child USING (false)",
    "DROP POLICY own ON child",
    "CREATE RULE r AS ON DELETE TO child DO NOTHING",
    "DROP RULE ignored ON other",
    "CREATE TABLE fresh (id text PRIMARY KEY, p text REFERENCES parent (id))",
    "CREATE TABLE fresh PARTITION OF many FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
    "CREATE TABLE fresh AS SELECT * FROM child",
    "DROP TABLE other",
    "TRUNCATE other",
    "CREATE VIEW v AS SELECT id FROM parent",
    "CREATE OR REPLACE VIEW seen AS SELECT id FROM child",
    "ALTER VIEW seen SET (security_invoker = true)",
    "DROP VIEW seen",
    "REFRESH MATERIALIZED VIEW kept",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY kept",
    "CREATE MATERIALIZED VIEW mv AS SELECT id FROM parent",
    "COMMENT ON TABLE child IS 'x'",
    "COMMENT ON COLUMN child.n IS 'x'",
    "CREATE STATISTICS s ON n, at FROM child",
    "ANALYZE child",
    "CLUSTER child USING child_n",
    "LOCK TABLE child IN SHARE ROW EXCLUSIVE MODE",
    "LOCK child",
    "GRANT SELECT ON child TO CURRENT_USER",
    "ALTER TYPE mood ADD VALUE 'fair'",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO other VALUES ('x', 2)",
    "UPDATE other SET n = 2 FROM child WHERE child.n = other.n",
    "DELETE FROM child",
    "WITH gone AS (DELETE FROM child RETURNING id) INSERT INTO other SELECT id, 5 FROM gone",
    "SELECT * FROM child",
    "SELECT * FROM child FOR UPDATE",
    "DO $$ BEGIN CREATE INDEX i ON child (at); DROP POLICY own ON child; END $$",
    "DO $$ BEGIN EXECUTE format('ALTER TABLE other VALIDATE CONSTRAINT %I', 'other_check'); END $$",
];

/// The other statements, with the object that each locks first.
const ALONE: &[(&str, &str)] = &[
    ("CREATE INDEX CONCURRENTLY i ON child (at)", "child"),
    ("DROP INDEX CONCURRENTLY child_n", "child"),
    ("REINDEX TABLE CONCURRENTLY child", "child"),
    ("REINDEX INDEX CONCURRENTLY child_n", "child"),
    ("VACUUM child", "child"),
    ("VACUUM (ANALYZE) child", "child"),
    ("VACUUM FULL child", "child"),
    ("ALTER TABLE many DETACH PARTITION many_1 CONCURRENTLY", "many"),
];

/// By oid, because a dropped or renamed relation is still locked.
const HELD: &str = "SELECT l.relation::text || '|' || max(CASE l.mode WHEN 'AccessShareLock' THEN 0 WHEN 'RowShareLock' THEN 1 WHEN 'RowExclusiveLock' THEN 2 \
     WHEN 'ShareUpdateExclusiveLock' THEN 3 WHEN 'ShareLock' THEN 4 WHEN 'ShareRowExclusiveLock' THEN 5 WHEN 'ExclusiveLock' THEN 6 ELSE 7 END)::text \
     FROM pg_locks l WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() GROUP BY l.relation";

const MODES: [LockMode; 8] = [
    LockMode::AccessShare,
    LockMode::RowShare,
    LockMode::RowExclusive,
    LockMode::ShareUpdateExclusive,
    LockMode::Share,
    LockMode::ShareRowExclusive,
    LockMode::Exclusive,
    LockMode::AccessExclusive,
];

async fn scratch() -> (PostgresDatabase, Sql) {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let mut sql = Sql::connect(&database.url()).await;
    sql.run(TABLES).await;
    (database, sql)
}

/// A relation that existed before.
struct Relation {
    name: String,
    oid: String,
    is_table: bool,
}

async fn relations(sql: &mut Sql) -> Vec<Relation> {
    let rows = sql
        .all("SELECT relname || '|' || oid || '|' || (relkind IN ('r', 'p'))::text FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        .await;
    let mut relations = Vec::new();
    for row in rows {
        let [name, oid, is_table] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        relations.push(Relation { name: name.to_owned(), oid: oid.to_owned(), is_table: is_table == "true" });
    }
    relations
}

async fn held(sql: &mut Sql) -> BTreeMap<String, LockMode> {
    let rows = sql.all(HELD).await;
    let pairs = rows.iter().filter_map(|row| row.split_once('|'));
    pairs.map(|(oid, mode)| (oid.to_owned(), MODES[mode.parse::<usize>().unwrap()])).collect()
}

async fn files(sql: &mut Sql) -> Vec<String> {
    sql.all("SELECT oid::regclass || ' ' || pg_relation_filenode(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'i') AND relname NOT IN ('i', 'k', 'other_n') ORDER BY 1").await
}

#[tokio::test]
async fn each_statement_takes_the_locks_that_the_plan_says_and_rewrites_when_it_says() {
    let (_database, mut sql) = scratch().await;
    let mut wrong = Vec::new();
    for statement in STATEMENTS {
        let (there, before) = (relations(&mut sql).await, files(&mut sql).await);
        sql.run("BEGIN").await;
        sql.run(statement).await;
        let (held, after) = (held(&mut sql).await, files(&mut sql).await);
        sql.run("ROLLBACK").await;

        let claimed = effect(statement);
        assert!(!claimed.unknown, "{statement}");
        // The statement does not contain the index's table.
        let names_an_index_alone = statement.contains("INDEX child_n");
        for Relation { name, oid, is_table } in &there {
            let (says, does) = (claimed.locks.iter().find(|locked| &locked.relation == name), held.get(oid));
            let silent = says.is_none()
                && *is_table
                && !names_an_index_alone
                && does.is_some_and(|mode| mode.blocks().is_some());
            if silent || says.is_some_and(|locked| Some(&locked.mode) != does) {
                wrong.push(format!("{statement}: says {says:?}, the server locks {name} {does:?}"));
            }
        }
        let dropped = statement.starts_with("DROP") || statement.contains("RENAME TO");
        if !dropped && claimed.rewrites != before.iter().any(|file| !after.contains(file)) {
            wrong.push(format!("{statement}: says rewrites: {}, and the files tell otherwise", claimed.rewrites));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Another session locks the table, so that the statement waits visibly for its first lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_outside_transactions_asks_for_the_locks_that_the_plan_says() {
    for (statement, table) in ALONE {
        let (database, mut holder) = scratch().await;
        let mut watcher = Sql::connect(&database.url()).await;
        holder.run(&format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")).await;
        let mut waiting = Sql::connect(&database.url()).await;
        let running = tokio::spawn(async move { waiting.try_run(statement).await });
        let asked = format!("SELECT mode FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass");
        let mode = loop {
            assert!(!running.is_finished(), "{statement} did not wait");
            if let Some(mode) = watcher.all(&asked).await.pop() {
                break mode;
            }
            tokio::task::yield_now().await;
        };
        holder.run("ROLLBACK").await;
        running.await.unwrap().unwrap();

        let claimed = effect(statement).strongest().map(|locked| locked.mode.name().replace(' ', "").to_lowercase());
        assert_eq!(claimed.as_deref(), Some(mode.to_lowercase().trim_end_matches("lock")), "{statement}");
    }
}

#[tokio::test]
async fn an_unknown_statement_is_taken_for_the_strongest_lock() {
    assert!(effect("DO $$ DECLARE t text; BEGIN EXECUTE t; END $$").unknown);
    assert!(effect("DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD a text', 'other'); END $$").unknown);
    assert!(effect("ALTER TABEL x").unknown);
}

#[tokio::test]
async fn the_plan_of_an_empty_database_is_what_deploy_sends() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();

    let planned = plan(&mut migrations(&url).await).await.unwrap();

    let mut sent = Vec::new();
    let mut listener = |progress: rylie_migration::DeployProgress<'_>| {
        if let rylie_migration::DeployProgress::Step { migration, statement, .. } = progress {
            sent.push((migration.to_owned(), statement.to_owned()));
        }
    };
    migrations(&url).await.deploy(&mut listener).await.unwrap();
    let alone = planned.iter().filter(|one| !one.in_transaction).map(|one| (one.migration.to_owned(), one.sql.clone()));
    // Exclude the record of each migration.
    sent.retain(|(_, statement)| !statement.contains("seaql_migrations") && !statement.contains("rylie_migration"));
    assert_eq!(alone.collect::<Vec<_>>(), sent);
    assert_eq!(plan(&mut migrations(&url).await).await.unwrap(), []);
}

/// A login that may only connect and read which migrations are applied.
#[tokio::test]
async fn the_plan_takes_no_right_to_change_anything() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    let role = format!("reader_of_{}", database.name());
    sql.run(&format!("DELETE FROM seaql_migrations WHERE version >= 'm20261123_000004'; DELETE FROM rylie_migrations WHERE name >= 'm20261123_000004'; CREATE ROLE \"{role}\" LOGIN; GRANT SELECT ON seaql_migrations TO \"{role}\"; ALTER ROLE \"{role}\" SET default_transaction_read_only = on")).await;

    let mut planned = plan(&mut migrations(&database.url_as(&role)).await).await.unwrap();

    planned.retain(|one| one.migration.ends_with("add_soft_delete"));
    assert_eq!(planned.len(), 2);
    assert_eq!(
        (planned[0].lock.as_str(), planned[0].table.as_deref(), planned[0].rewrites),
        ("ACCESS EXCLUSIVE", Some("Request"), false)
    );
}

#[tokio::test]
async fn on_sqlite_the_lock_is_the_databases() {
    let database = SqliteDatabase::new().unwrap();

    let planned = plan(&mut migrations(&database.url()).await).await.unwrap();

    assert!(!planned.is_empty() && planned.iter().all(|one| one.lock == "database" && one.in_transaction));
    assert!(deploy(&database.url()).await.len() > 1);
}
