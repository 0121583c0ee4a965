//! The data set, generated in the database, and the ids of its rows.

use rylie_db::prelude::{Config, Database, RequestId, UserId};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::{Result, settings};

const SQL: &str = include_str!("dataset.sql");

/// The size of the data set.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    requests: u64,
    agencies: u64,
    users: u64,
}

impl Size {
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Self> {
        let mut size = Self { requests: 200_000, agencies: 200, users: 0 };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return Err(crate::USAGE.into()) };
            let value: u64 = value.replace('_', "").parse().map_err(|_| crate::USAGE)?;
            match name.as_str() {
                "--requests" if (1..=100_000_000).contains(&value) => size.requests = value,
                "--agencies" if (3..=1_000_000).contains(&value) => size.agencies = value,
                "--users" if (3..=10_000_000).contains(&value) => size.users = value,
                _ => return Err(crate::USAGE.into()),
            }
        }
        // An administrator for each agency, and 200 users without an agency.
        let least = size.agencies + 200;
        if size.users == 0 {
            size.users = least.max(10_000);
        } else if size.users < least {
            return Err(format!("{} agencies need at least {least} users", size.agencies).into());
        }
        Ok(size)
    }
}

/// Migrates a database, and fills it if it has no requests yet. The login must be a superuser.
pub(crate) async fn prepare(size: Size) -> Result<()> {
    let config = Config::builder().set("database_url", settings::owner_url()?)?.build()?;
    Database::connect(config).await?.migrate().await?;
    let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
    let filled: bool =
        sqlx::query(r#"SELECT EXISTS (SELECT FROM "Request")"#).fetch_one(&mut owner).await?.try_get(0)?;
    owner.close().await?;
    if filled {
        eprintln!("the database already has requests and is not changed");
        return Ok(());
    }
    let (requests, users, agencies) = (size.requests, size.users, size.agencies);
    eprintln!("creating {requests} requests of {users} users in {agencies} agencies");
    let sql = SQL.replace("$REQUESTS", &requests.to_string());
    run_as_owner(&sql.replace("$USERS", &users.to_string()).replace("$AGENCIES", &agencies.to_string())).await
}

/// Fails if the database has fewer requests than the settings say, or too few for the workloads.
pub(crate) async fn refuse_smaller() -> Result<()> {
    let requests = settings::requests();
    if requests < LEAST {
        return Err(format!("REQUESTS is {requests}, and the workloads need {LEAST}: prepare more").into());
    }
    let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
    let last = request(requests)?;
    let is_there: bool = sqlx::query_scalar(r#"SELECT EXISTS (SELECT FROM "Request" WHERE "id" = $1)"#)
        .bind(last.as_str())
        .fetch_one(&mut owner)
        .await?;
    owner.close().await?;
    if is_there {
        return Ok(());
    }
    Err(format!("the database has fewer than {requests} requests: set REQUESTS to the number given to `prepare`")
        .into())
}

/// The least number of requests with which a page of each list is full.
const LEAST: u64 = 50_000;

/// Runs statements, each ending a line, in sequence. Some of them cannot run in a transaction.
pub(crate) async fn run_as_owner(sql: &str) -> Result<()> {
    let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
    for statement in statements(sql) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut owner).await?;
    }
    owner.close().await?;
    Ok(())
}

/// Splits SQL into statements. A `BEGIN` to `COMMIT` is one statement, and so is a `DO` block.
fn statements(sql: &str) -> Vec<String> {
    let (mut all, mut open) = (Vec::new(), String::new());
    for line in sql.lines().filter(|line| !line.starts_with("--")) {
        open.push_str(line);
        open.push('\n');
        let together =
            (open.starts_with("BEGIN;") && line != "COMMIT;") || (open.starts_with("DO ") && line != "END $$;");
        if line.ends_with(';') && !together {
            all.push(std::mem::take(&mut open));
        }
    }
    all
}

/// Returns the id of the request with this number.
pub(crate) fn request(number: u64) -> Result<RequestId> {
    Ok(id(number, "request").parse()?)
}

/// Returns the id of the user with this number. The user with an agency's number administers that agency.
pub(crate) fn user(number: u64) -> Result<UserId> {
    Ok(id(number, "user000").parse()?)
}

fn id(number: u64, tag: &str) -> String {
    let hash = number.wrapping_mul(2_654_435_761) & 0xffff_ffff;
    format!("c{number:09x}{hash:08x}{tag}")
}

/// Maps `number` to a pseudo-random value in `0..below`, the same each time.
pub(crate) fn scatter(number: u64, below: u64) -> u64 {
    // splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

#[cfg(test)]
mod tests {
    use super::{id, scatter, statements};

    #[test]
    fn an_id_is_computed_as_in_the_database() {
        assert_eq!(id(1, "request"), "c0000000019e3779b1request");
    }

    #[test]
    fn scattered_numbers_cover_the_whole_range() {
        let seen: std::collections::BTreeSet<_> = (0..100).map(|number| scatter(number, 10)).collect();
        assert_eq!(seen, (0..10).collect());
    }

    #[test]
    fn a_transaction_and_a_block_are_one_statement_each() {
        let sql = "-- a comment;\nBEGIN;\nx;\nCOMMIT;\nDO $$ BEGIN\n  y;\nEND $$;\nVACUUM\n  z;\n";
        assert_eq!(statements(sql), ["BEGIN;\nx;\nCOMMIT;\n", "DO $$ BEGIN\n  y;\nEND $$;\n", "VACUUM\n  z;\n"]);
    }
}
