//! The kept numbers of requests: exact after any write by anyone, at any moment, and without a wait.

use futures_util::future::join_all;
use rylie_testkit::World;

use super::world;
use crate::support::raw::{DENIED, Raw};
use crate::support::sql::{deploy, from, migrations};

const RECOUNT: &str = "SELECT rylie_recount_requests()::text";

/// Two agencies with a user each, for writers without our code.
const PEOPLE: &str = "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'n', now()), ('a2', 'n', now()); \
     INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('u1', 'u1@x', 'a1', now()), ('u2', 'u2@x', 'a2', now())";

const PICK: &str = "(SELECT id FROM \"Request\" ORDER BY md5(id || '$seed') LIMIT $some)";

/// Statements of the old service, of administrators and of loads. `$some` is a number of rows, `$seed` a text.
const WRITES: [&str; 16] = [
    "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", status) \
     SELECT 'r$seed-' || n, 'u' || 1 + n % 2, 'a' || 1 + n % 2, 't', 'd', 'x', now(), (enum_range(NULL::\"RequestStatus\"))[1 + n % 4] FROM generate_series(1, $some) n",
    "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", deleted, \"deletedAt\") \
     SELECT 'd$seed-' || n, 'u1', 'a1', 't', 'd', 'x', now(), true, now() FROM generate_series(1, $some) n",
    "INSERT INTO \"Request\" (id, \"userId\", title, description, type, \"updatedAt\") VALUES ('solo$seed', 'u1', 't', 'd', 'x', now())",
    "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
     SELECT id, 'u1', 'a1', 't', 'd', 'x', now() FROM \"Request\" ORDER BY md5(id || '$seed') LIMIT $some \
     ON CONFLICT (id) DO UPDATE SET status = 'CANCELLED', deleted = false, \"deletedAt\" = NULL",
    "MERGE INTO \"Request\" r USING (SELECT id, n FROM \"Request\", generate_series(0, 1) n ORDER BY md5(id || '$seed') LIMIT $some) s ON r.id = s.id AND n = 0 \
     WHEN MATCHED AND r.status = 'PENDING' THEN DELETE WHEN MATCHED THEN UPDATE SET status = 'PENDING' \
     WHEN NOT MATCHED THEN INSERT (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES (s.id || 'm$seed', 'u2', 'a2', 't', 'd', 'x', now())",
    "UPDATE \"Request\" SET status = 'COMPLETED' WHERE id IN $pick",
    "UPDATE \"Request\" SET status = 'IN_PROGRESS', \"agencyId\" = NULL WHERE id IN $pick",
    "UPDATE \"Request\" SET \"userId\" = 'u2', \"agencyId\" = 'a2' WHERE id IN $pick",
    "UPDATE \"Request\" SET deleted = NOT deleted, \"deletedAt\" = CASE WHEN deleted THEN NULL ELSE now() END WHERE id IN $pick",
    "UPDATE \"Request\" SET title = 'other' WHERE id IN $pick",
    "DELETE FROM \"Request\" WHERE id IN $pick",
    "BEGIN; DELETE FROM \"Request\" WHERE id IN $pick; ROLLBACK",
    "BEGIN; UPDATE \"Request\" SET status = 'PENDING' WHERE id IN $pick; SAVEPOINT s; DELETE FROM \"Request\" WHERE id IN $pick; ROLLBACK TO s; COMMIT",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE \"Request\" SET status = 'CANCELLED' WHERE id IN $pick; DELETE FROM \"Request\" WHERE id IN (SELECT min(id) FROM \"Request\"); COMMIT",
    "SET session_replication_role = replica; UPDATE \"Request\" SET status = 'PENDING' WHERE id IN $pick; RESET session_replication_role",
    "WITH gone AS (DELETE FROM \"Request\" WHERE id IN $pick RETURNING id) UPDATE \"Request\" SET status = 'COMPLETED' WHERE id NOT IN (SELECT id FROM gone) AND status = 'CANCELLED'",
];

/// Pseudorandom numbers, and the seed printed for a failed run.
fn numbers() -> impl FnMut(u64) -> u64 {
    let seed = std::env::var("RYLIE_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut state = seed.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("RYLIE_SEED={state}");
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Returns one of the writes.
fn written(write: &str, some: u64, seed: &str) -> String {
    write.replace("$pick", PICK).replace("$some", &some.to_string()).replace("$seed", seed)
}

/// Returns a statement that adds requests of the first agency, with ids that begin with `id`.
fn add(id: &str, rows: u64) -> String {
    format!(
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
         SELECT '{id}-' || n, 'u1', 'a1', 't', 'd', 'x', now() FROM generate_series(1, {rows}) n"
    )
}

#[tokio::test]
async fn no_write_of_anyone_makes_them_differ() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    let mut number = numbers();

    for round in 0..150 {
        let write = WRITES[usize::try_from(number(WRITES.len() as u64)).unwrap()];
        let write = written(write, 1 + number(20), &round.to_string());
        raw.run(&write).await;
        assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"], "round {round}: {write}");
    }
    for tables in ["\"Request\"", "\"Request\", \"RequestCount\"", "\"RequestCount\", \"Agency\""] {
        raw.run(&written(WRITES[0], 20, &tables.len().to_string())).await;
        raw.run(&format!("BEGIN; TRUNCATE {tables} CASCADE")).await;
        assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"], "{tables}");
        raw.run("ROLLBACK").await;
    }
    raw.run("TRUNCATE \"Request\" CASCADE").await;
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"]);
}

/// A tenant may write its own numbers by raw SQL, and must not stop jobs of all tenants.
#[tokio::test]
async fn false_numbers_of_a_tenant_fail_no_write() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    raw.run(&written(WRITES[0], 20, "")).await;
    let planted = |number: &str| {
        format!(
            "INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) SELECT 'a1', 'PENDING', {number} FROM generate_series(1, 50)"
        )
    };
    for number in ["9223372036854775807", "1000000000001", "-1000000000001"] {
        assert_eq!(raw.as_tenant("a1", &planted(number)).await, Err("23514".to_owned()));
    }
    for number in ["1000000000000", "-1000000000000"] {
        raw.run(&planted(number)).await;
        raw.run("DELETE FROM \"Request\" WHERE id IN (SELECT id FROM \"Request\" LIMIT 4)").await;
        raw.run(&planted(number)).await;
        while raw.rows(RECOUNT).await.unwrap() != ["0"] {}
    }
}

#[tokio::test]
async fn a_member_of_the_platforms_role_is_counted() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    let member = raw.rows("SELECT current_database() || '_member'").await.unwrap().remove(0);
    raw.run(&format!("CREATE ROLE \"{member}\" INHERIT; GRANT rylie_platform TO \"{member}\"")).await;
    raw.run(&format!("SET ROLE \"{member}\"")).await;
    raw.run(&written(WRITES[0], 20, "")).await;
    raw.run("RESET ROLE").await;
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"]);
    raw.run(&format!("DROP ROLE \"{member}\"")).await;
}

/// As `no_write_of_anyone_makes_them_differ`, by several connections at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_writers_at_the_same_time() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    let mut number = numbers();
    let scripts: Vec<Vec<String>> = (0..4)
        .map(|writer| {
            (0..60)
                .map(|round| {
                    let write = WRITES[usize::try_from(number(WRITES.len() as u64)).unwrap()];
                    written(write, 1 + number(5), &format!("{writer}-{round}"))
                })
                .collect()
        })
        .collect();

    let mut done = 0;
    for writes in join_all(scripts.into_iter().map(|script| {
        let url = world.url().to_owned();
        tokio::spawn(async move {
            let mut raw = Raw::connect(&url).await;
            let mut done = 0;
            for write in script {
                match raw.rows(&write).await {
                    Ok(_) => done += 1,
                    // Writers that want the same rows: deadlocks, serialization failures and rows of others.
                    Err(code) => {
                        assert!(["40P01", "40001", "23505", "23503", "21000"].contains(&&*code), "{code}: {write}");
                        raw.run("ROLLBACK").await;
                        raw.run("RESET session_replication_role").await;
                    }
                }
            }
            done
        })
    }))
    .await
    {
        done += writes.unwrap();
    }

    assert!(done > 120, "{done} writes only");
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"]);
}

/// A deploy on a database in use: the first count is one snapshot among writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_count_is_exact_while_others_write() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    migrations(world.url()).await.down(from("keep_request_counts"), &mut |_| ()).await.unwrap();
    raw.run(&add("before", 20_000)).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn({
        let (mut raw, add) =
            (Raw::connect(world.url()).await, add("while", 3).replace("while-", "while-' || clock_timestamp() || '-"));
        async move {
            let mut writes = 0;
            while !*stopped.borrow() {
                raw.run(&add).await;
                raw.run("UPDATE \"Request\" SET status = 'COMPLETED' WHERE id LIKE 'before-1%' AND status = 'PENDING'")
                    .await;
                raw.run("UPDATE \"Request\" SET status = 'PENDING' WHERE id LIKE 'before-1%' AND status = 'COMPLETED'")
                    .await;
                writes += 1;
            }
            writes
        }
    });

    deploy(world.url()).await;
    stop.send(true).unwrap();

    assert!(writer.await.unwrap() > 0);
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_writer_waits_for_no_other_writer_of_its_tenant() {
    let world = world().await;
    let (mut one, mut other) = (Raw::connect(world.url()).await, Raw::connect(world.url()).await);
    one.run(PEOPLE).await;
    one.run(&add("shared", 10)).await;
    // A removal folds, so it locks the rows that it folds.
    one.run("BEGIN; DELETE FROM \"Request\" WHERE id = 'shared-1'").await;

    other.run("SET lock_timeout = '2s'").await;
    for round in 0..100 {
        other.run(&add(&format!("r{round}"), 10)).await;
    }
    other.run("DELETE FROM \"Request\" WHERE id LIKE 'r1-%'").await;
    one.run("COMMIT").await;

    assert_eq!(one.rows(RECOUNT).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn many_writes_leave_few_rows_and_a_tenant_without_requests_none() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    raw.run(
        "DO $$ BEGIN FOR n IN 1..2000 LOOP INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
         VALUES ('r-' || n, 'u1', 'a1', 't', 'd', 'x', now()); END LOOP; END $$",
    )
    .await;

    let rows = raw.rows("SELECT count(*)::text FROM \"RequestCount\"").await.unwrap().remove(0);
    assert!(rows.parse::<u64>().unwrap() < 1_000, "{rows}");
    raw.run("DELETE FROM \"Request\"").await;
    // A fold takes a thousand rows at most.
    raw.run("INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('r', 'u1', 'a1', 't', 'd', 'x', now()); DELETE FROM \"Request\"").await;
    assert_eq!(raw.rows("SELECT count(*)::text FROM \"RequestCount\"").await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_tenant_learns_and_changes_nothing_of_others() {
    let world = world().await;
    let mut raw = Raw::connect(world.url()).await;
    raw.run(PEOPLE).await;
    raw.run("INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('r', 'u2', 'a2', 't', 'd', 'x', now())").await;
    let denied = Err(DENIED.to_owned());

    let own = "SELECT requests::text FROM \"RequestCount\"";
    assert_eq!(raw.as_tenant("a2", own).await, Ok(vec!["1".to_owned()]));
    assert_eq!(raw.as_tenant("a1", own).await, Ok(Vec::new()));
    let theft = "WITH d AS (DELETE FROM \"RequestCount\" RETURNING id) SELECT id::text FROM d";
    assert_eq!(raw.as_tenant("a1", theft).await, Ok(Vec::new()));
    let gift = "INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) VALUES ('a2', 'PENDING', 5)";
    assert_eq!(raw.as_tenant("a1", gift).await, denied);
    // A trigger on a temporary table gives the tenant no other rights.
    let other_table = "CREATE TEMP TABLE t (\"tenantId\" text, status \"RequestStatus\", deleted boolean); \
         CREATE TRIGGER t AFTER INSERT ON t REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION rylie_count_requests(); \
         INSERT INTO t VALUES ('a2', 'PENDING', false)";
    assert_eq!(raw.as_tenant("a1", other_table).await, denied);
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_recount_repairs_false_numbers_and_two_do_not_repair_twice() {
    let world = World::postgres().await.unwrap();
    let (mut raw, mut other) = (Raw::connect(world.url()).await, Raw::connect(world.url()).await);
    raw.run(PEOPLE).await;
    raw.run("ALTER TABLE \"Request\" DISABLE TRIGGER USER").await;
    raw.run("INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", \"tenantId\") VALUES ('r', 'u2', 'a2', 't', 'd', 'x', now(), 'a2')").await;
    raw.run("ALTER TABLE \"Request\" ENABLE TRIGGER USER").await;
    raw.run("INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) VALUES ('a1', 'PENDING', 5)").await;

    raw.run("BEGIN").await;
    assert_eq!(raw.rows(RECOUNT).await.unwrap(), ["2"]);
    let second = tokio::spawn(async move { other.rows(RECOUNT).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    raw.run("COMMIT").await;

    assert_eq!(second.await.unwrap(), Ok(vec!["0".to_owned()]));
    assert_eq!(raw.rows("SELECT sum(requests)::text FROM \"RequestCount\"").await.unwrap(), ["1"]);
    raw.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(raw.rows(RECOUNT).await, Err("25000".to_owned()));
}
