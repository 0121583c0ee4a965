//! Takes over a database of the Prisma service, reads its rows, and goes back:
//! `cargo run -p rylie-examples-on-postgres --example adopt_prisma`.
//!
//! It starts a private PostgreSQL server from the installed programs and removes it at the end.

use std::error::Error;

use rylie_db::migration::{AdoptOptions, Engine, MIGRATIONS};
use rylie_db::prelude::*;
use rylie_testkit::Cluster;
use sqlx::{Connection, PgConnection};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const AGENCY: &str = r#"INSERT INTO "Agency" (id, name, "updatedAt") VALUES ('north', 'North', now())"#;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Cluster::private().await?;
    let prismas = server.empty_database().await?;
    let mut old_service = PgConnection::connect(&prismas.url()).await?;
    for step in MIGRATIONS[0].up(Engine::Postgres) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(step.statement().to_owned())).execute(&mut old_service).await?;
    }
    sqlx::raw_sql(AGENCY).execute(&mut old_service).await?;
    let config = Config::new(&prismas.url())?;

    // First only look: what would happen, and which logins could lose rows at the end.
    let dry = config.migrations().await?.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await?;
    println!("the database has {} tables; nothing is changed yet", dry.tables.len());
    let adopted = config.migrations().await?.adopt(AdoptOptions::default(), &mut |_| ()).await?;
    println!("{} migrations applied", adopted.applied.len());

    let database = Database::connect(config.clone()).await?;
    let unit = database.platform(Grant::job("example", "lists the agencies")?).await?;
    for agency in unit.agencies().list(PageRequest::default()).await?.items {
        println!("the old service's agency: {}", agency.name);
    }
    unit.commit().await?;
    // The old service works as before, until `finish_adoption`.
    sqlx::raw_sql(r#"UPDATE "Agency" SET name = 'Northern'"#).execute(&mut old_service).await?;
    database.close().await;

    let undone = config.migrations().await?.undo_adoption(&mut |_| ()).await?;
    println!("{} migrations undone: the database is Prisma's again", undone.len());
    Ok(())
}
