//! Parses the URL of a PostgreSQL database.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// An unusable URL of a PostgreSQL database. The message contains no part of the URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} is not acceptable: {reason}")]
pub struct InvalidAddress {
    /// Which part of the URL.
    pub what: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

const FORM: InvalidAddress =
    InvalidAddress { what: "the database URL", reason: "it must have the form postgres://user@host:port/database" };
const PORT: InvalidAddress =
    InvalidAddress { what: "the port of the database URL", reason: "it must be a number from 0 to 65535" };
const SCHEMA: InvalidAddress = InvalidAddress {
    what: "the parameter `schema` of the database URL",
    reason: "all tables are in the schema `public`; remove the parameter or set it to `public`",
};

/// Parses a URL `postgres://…` without connecting. `name` is the `application_name` of a URL without one. The driver
/// logs no statement.
///
/// Fails for a malformed URL, and for one whose parameter `schema` names another schema than `public`: Prisma honours
/// the parameter, and the driver ignores it.
pub fn postgres_address(url: &str, name: &str) -> Result<PgConnectOptions, InvalidAddress> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| if error.to_string().contains("invalid port") { PORT } else { FORM })?;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    if query.split('&').filter_map(|part| part.strip_prefix("schema=")).any(|schema| schema != "public") {
        return Err(SCHEMA);
    }
    // The driver keeps the brackets of an IPv6 address and would look it up as a name.
    let host = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    let options = match host {
        Some(host) => options.host(&host),
        None => options,
    };
    let named = options.get_application_name().is_some();
    Ok(if named { options } else { options.application_name(name) }.disable_statement_logging())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_an_ipv6_address_are_removed() {
        assert_eq!(postgres_address("postgres://me@[::1]:5432/db", "rylie").unwrap().get_host(), "::1");
    }

    #[test]
    fn a_name_in_the_url_is_kept() {
        let name = |url| postgres_address(url, "rylie").unwrap().get_application_name().map(str::to_owned);
        assert_eq!(name("postgres://me@one/db").as_deref(), Some("rylie"));
        assert_eq!(name("postgres://me@one/db?application_name=mine").as_deref(), Some("mine"));
    }

    #[test]
    fn an_unusable_url_names_its_part_and_no_value() {
        let cases = [
            ("postgres://me:canary@one:99999/db", PORT),
            ("canary", FORM),
            ("postgres://me@one/db?sslmode=disable&schema=canary#x", SCHEMA),
            ("postgres://me@one/db?schema=", SCHEMA),
        ];
        for (url, expected) in cases {
            let error = postgres_address(url, "rylie").unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert!(postgres_address("postgres://me@one/db?schema=public", "rylie").is_ok());
    }
}
