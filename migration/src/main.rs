//! SeaORM's migration command for the migrations of this crate.

use sea_orm_migration::cli::run_cli_with_custom_connection;

use rylie_migration::{Migrator, connect};

/// The embedded database, used if no URL is given.
const DEFAULT_URL: &str = "sqlite://rylie.db?mode=rwc";

#[tokio::main]
async fn main() {
    // SeaORM's command requires a URL and does not pass its flags on, so this function reads them as well. The command
    // has read `.env` by then.
    run_cli_with_custom_connection(Migrator, || {
        let url = setting('u', "database-url", "DATABASE_URL").unwrap_or_else(|| DEFAULT_URL.to_owned());
        let schema = setting('s', "database-schema", "DATABASE_SCHEMA").unwrap_or_else(|| "public".to_owned());
        connect(url, schema)
    })
    .await;
}

/// Returns the value of the flag, else of the environment variable.
fn setting(short: char, long: &str, variable: &str) -> Option<String> {
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == format!("-{short}") || word == format!("--{long}") {
            return words.next();
        }
        let value = word.strip_prefix(&format!("--{long}=")).or_else(|| word.strip_prefix(&format!("-{short}")));
        if let Some(value) = value {
            return Some(value.trim_start_matches('=').to_owned());
        }
    }
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
