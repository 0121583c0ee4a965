//! The platform's routes over `rylie-axum`: `cargo run -p rylie-web-service`.
//!
//! It uses the SQLite file `target/web_service.db`. With `DATABASE_URL=postgres://…` it uses that PostgreSQL database.
//! `LISTEN` is its address, `127.0.0.1:3000` by default. It applies the migrations, creates an agency for a first look,
//! prints three calls for curl, runs the scheduler, and ends gracefully at Ctrl-C or SIGTERM.
//!
//! `FIRST_LOOK=off` makes it a service: nothing is created or printed, `DATABASE_URL` and `RYLIE_KEYRING` must be set,
//! cookies need HTTPS, and `TRUSTED_PROXIES` names the networks of the proxies. With a database that is marked as production
//! it must be off.

mod admin;
mod app;
mod connections;
mod first_look;
mod openapi;
mod requests;
mod routes;
mod sessions;
mod shutdown;
mod usage;
mod users;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use rylie_axum::{ServeLimits, serve};
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::maintenance::SchedulerOptions;
use rylie_db::prelude::*;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// How long the jobs, and then the connections, may take to end.
const LAST: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A full disk of the log must not end calls.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false).init();
    let is_first_look = match std::env::var("FIRST_LOOK").as_deref() {
        Ok("on") | Err(std::env::VarError::NotPresent) => true,
        Ok("off") => false,
        _ => return Err("FIRST_LOOK is on or off".into()),
    };
    let proxies = routes::proxies()?;
    let database = Database::connect(config(is_first_look)?).await?;
    let applied = database.migrate().await?;
    println!("{} migrations applied", applied.len());
    let listener = TcpListener::bind(std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    if is_first_look {
        first_look::print(&database, listener.local_addr()?).await?;
    }

    let (stop, stopped) = tokio::sync::watch::channel(());
    let scheduler = database.scheduler(Vec::new(), SchedulerOptions::default())?;
    let jobs = tokio::spawn({
        let mut stopped = stopped.clone();
        async move { scheduler.run(async move { drop(stopped.changed().await) }).await }
    });
    let router = routes::router(&database, proxies, is_first_look);
    serve(listener, router, ServeLimits::default(), shutdown::asked()).await?;
    // Calls have ended: the jobs end next, and the connections last.
    drop(stop);
    // While the database does not answer, a job may take longer; it is run again then.
    drop(tokio::time::timeout(LAST, jobs).await);
    drop(tokio::time::timeout(LAST, database.close()).await);
    println!("stopped");
    Ok(())
}

/// Configures the environment's database and keyring. In a first look, both are files in `target` unless the environment
/// names others.
fn config(is_first_look: bool) -> Result<Config> {
    if !is_first_look {
        for name in ["DATABASE_URL", "RYLIE_KEYRING"] {
            let set = std::env::var_os(name).filter(|value| !value.is_empty());
            set.ok_or_else(|| format!("set {name}, or start without FIRST_LOOK=off"))?;
        }
        return Ok(Config::builder().environment()?.build()?);
    }
    let folder = PathBuf::from("target");
    std::fs::create_dir_all(&folder)?;
    let keyring = folder.join("web_service-keyring.json");
    if std::env::var_os("RYLIE_KEYRING").is_none() && !keyring.exists() {
        KeyFile::new(&keyring).create(&Keyring::generate()?)?;
    }
    let config = Config::builder()
        .set("database_url", "sqlite:target/web_service.db?mode=rwc")?
        .set("keyring", keyring.display())?;
    Ok(config.environment()?.build()?)
}
