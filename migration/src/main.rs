//! SeaORM's migration command over our migrations.

use sea_orm_migration::cli::run_cli_with_custom_connection;

use rylie_migration::{Migrator, connect};

/// The embedded database, where nothing else is asked for.
const DEFAULT_URL: &str = "sqlite://rylie.db?mode=rwc";

#[tokio::main]
async fn main() {
    // SeaORM's command insists on a URL, and hands its flags to nobody; so they are looked for here as well. It has read
    // `.env` when this is called.
    run_cli_with_custom_connection(Migrator, || {
        let url = setting('u', "database-url", "DATABASE_URL").unwrap_or_else(|| DEFAULT_URL.to_owned());
        let schema = setting('s', "database-schema", "DATABASE_SCHEMA").unwrap_or_else(|| "public".to_owned());
        connect(url, schema)
    })
    .await;
}

/// A flag's value, else the variable's.
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
