//! A database as the old service created and filled it.

use rylie_migration::MIGRATIONS;

use super::sql::{Sql, engine};

pub(crate) const NOW: &str = "'2026-01-01 00:00:00.000'";

/// Tables below a user, with the columns that they need in addition to `id` and `"userId"`.
pub(crate) const OF_USER: [(&str, &str, &str); 6] = [
    ("Account", "type, provider, \"providerAccountId\"", "'oauth', 'google', '$id'"),
    ("Session", "\"sessionToken\", expires", "'$id', $now"),
    ("UserPreferences", "\"updatedAt\"", "$now"),
    ("GA4Connection", "\"accessToken\", \"updatedAt\"", "'t', $now"),
    ("SearchConsoleConnection", "\"accessToken\", \"updatedAt\"", "'t', $now"),
    (
        "MonthlyUsage",
        "month, year, \"packageType\", \"pagesUsed\", \"blogsUsed\", \"gbpPostsUsed\", \"improvementsUsed\"",
        "1, 2026, 'GOLD', 1, 1, 1, 1",
    ),
];

/// Sends the first migration's statements manually.
pub(crate) async fn make_base(url: &str) {
    let mut sql = Sql::connect(url).await;
    for step in MIGRATIONS[0].up(engine(url)) {
        sql.run(step.statement()).await;
    }
}

pub(crate) async fn record_base(sql: &mut Sql) {
    sql.run("CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)").await;
    sql.run("INSERT INTO seaql_migrations VALUES ('m20261123_000001_create_base_tables', 0)").await;
}

/// Adds two agencies; Ann of the first, Bob of the second, Solo of none. Each has a request, a task and the other rows
/// of a user.
pub(crate) async fn fill(sql: &mut Sql) {
    for agency in ["a1", "a2"] {
        sql.run(&format!("INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('{agency}', 'n', {NOW})")).await;
    }
    for (user, agency) in [("ann", "'a1'"), ("bob", "'a2'"), ("solo", "NULL")] {
        sql.run(&format!(
            "INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('{user}', '{user}@x', {agency}, {NOW})"
        ))
        .await;
        sql.run(&format!(
            "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
             VALUES ('r-{user}', '{user}', {agency}, 't', 'd', 'x', {NOW})"
        ))
        .await;
        add_task(sql, &format!("t-{user}"), user, &format!("r-{user}")).await;
        sql.run(&format!(
            "INSERT INTO \"SEOWorksTaskMapping\" (id, \"requestId\", \"seoworksTaskId\", \"taskType\", \"updatedAt\") \
             VALUES ('m-{user}', 'r-{user}', 's-{user}', 'x', {NOW})"
        ))
        .await;
        for (table, columns, values) in OF_USER {
            let values = values.replace("$id", user).replace("$now", NOW);
            sql.run(&format!(
                "INSERT INTO \"{table}\" (id, \"userId\", {columns}) VALUES ('c-{user}', '{user}', {values})"
            ))
            .await;
        }
        sql.run(&format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('e-{user}', '{user}', 'x', 'y')"
        ))
        .await;
    }
}

/// Adds rows to the tables that we added to the base.
pub(crate) async fn fill_ours(sql: &mut Sql) {
    for (user, tenant) in [("ann", "a1"), ("bob", "a2"), ("solo", "user:solo")] {
        sql.run(&format!(
            "INSERT INTO \"UsageEvent\" (id, \"userId\", key, kind, \"countedAt\", \"tenantId\") \
             VALUES ('c-{user}', '{user}', 'k', 'PAGE', {NOW}, '{tenant}')"
        ))
        .await;
        sql.run(&format!(
            "INSERT INTO \"IdempotencyKey\" (id, \"callerId\", key, fingerprint, expires, \"createdAt\", \"tenantId\") \
             VALUES ('c-{user}', '{user}', 'k', 'f', {NOW}, {NOW}, '{tenant}')"
        ))
        .await;
    }
}

async fn add_task(sql: &mut Sql, id: &str, user: &str, request: &str) {
    sql.run(&format!(
        "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('{id}', '{user}', '{request}', 't', 'PAGE', {NOW})"
    ))
    .await;
}
