//! Parses the URL of a PostgreSQL database.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// An unusable URL of a PostgreSQL database. The message contains no part of the URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} is not acceptable: {reason}")]
pub struct InvalidAddress {
    /// Which part of the URL.
    pub what: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

/// The parameters that the driver reads.
const READ: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Parameters of Prisma's and other drivers' URLs that ours does not need: it has its own limits, or reads them itself.
const UNUSED: [&str; 24] = [
    "options",
    "schema",
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "pool_mode",
    "connect_timeout",
    "socket_timeout",
    "statement_cache_size",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "single_use_connections",
    "channel_binding",
    "gssencmode",
    "target_session_attrs",
    "load_balance_hosts",
    "fallback_application_name",
    "client_encoding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "passfile",
];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The files that a URL may name, by parameter.
const FILES: [(&[&str], InvalidAddress); 3] = [
    (
        &["sslrootcert", "ssl-root-cert", "ssl-ca"],
        missing_file("the file that `sslrootcert` of the database URL names"),
    ),
    (&["sslcert", "ssl-cert"], missing_file("the file that `sslcert` of the database URL names")),
    (&["sslkey", "ssl-key"], missing_file("the file that `sslkey` of the database URL names")),
];

const fn missing_file(what: &'static str) -> InvalidAddress {
    InvalidAddress { what, reason: "it does not exist, or this user may not read it" }
}

const PARAMETER: InvalidAddress = InvalidAddress {
    what: "a parameter of the database URL",
    reason: "its name is unknown, so it would have no effect; those of TLS are `sslmode`, `sslrootcert`, `sslcert` and `sslkey`",
};
const SSL_MODE: InvalidAddress = InvalidAddress {
    what: "the parameter `sslmode` of the database URL",
    reason: "it must be disable, allow, prefer, require, verify-ca or verify-full",
};
const NOT_VERIFIED: InvalidAddress = InvalidAddress {
    what: "the parameter `sslrootcert` of the database URL",
    reason: "it has no effect without `sslmode=verify-ca` or `sslmode=verify-full`; name one of them",
};
const FORM: InvalidAddress =
    InvalidAddress { what: "the database URL", reason: "it must have the form postgres://user@host:port/database" };
const PORT: InvalidAddress = InvalidAddress {
    what: "the port of the database URL",
    reason: "it must be a number from 0 to 65535; a password spells `/` as %2F, `#` as %23, `?` as %3F and `@` as %40",
};
const SCHEMA: InvalidAddress = InvalidAddress {
    what: "the parameter `schema` of the database URL",
    reason: "all tables are in the schema `public`; remove the parameter or set it to `public`",
};

/// Parses a URL `postgres://…` without connecting. `name` is the `application_name` of a URL without one. The driver
/// logs no statement.
///
/// Fails for a malformed URL, and for one whose parameter `schema` names another schema than `public`: Prisma honours
/// the parameter, and the driver ignores it. Also fails for an unknown parameter, as a misspelt `sslmode` would leave the
/// connection without TLS, and for a file of TLS that does not exist. As with libpq, `sslmode=require` with a root
/// certificate means `verify-ca`; with a weaker mode the certificate would have no effect, and the URL is refused.
pub fn postgres_address(url: &str, name: &str) -> Result<PgConnectOptions, InvalidAddress> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let parsed = PgConnectOptions::from_str(url);
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        check(name, value)?;
    }
    let options = parsed.map_err(|error| if error.to_string().contains("invalid port") { PORT } else { FORM })?;
    // The driver keeps the brackets of an IPv6 address and would look it up as a name.
    let host = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    let options = match host {
        Some(host) => options.host(&host),
        None => options,
    };
    let in_url = query.split('&').any(|part| part.split_once('=').is_some_and(|(name, _)| FILES[0].0.contains(&name)));
    let options = match options.get_ssl_mode() {
        PgSslMode::Require if in_url || std::env::var_os("PGSSLROOTCERT").is_some() => {
            options.ssl_mode(PgSslMode::VerifyCa)
        }
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer if in_url => return Err(NOT_VERIFIED),
        _ => options,
    };
    let named = options.get_application_name().is_some();
    Ok(if named { options } else { options.application_name(name) }.disable_statement_logging())
}

fn check(name: &str, value: &str) -> Result<(), InvalidAddress> {
    match name {
        "schema" if value != "public" => return Err(SCHEMA),
        "sslmode" | "ssl-mode" if !SSL_MODES.contains(&value) => return Err(SSL_MODE),
        name if READ.contains(&name) || UNUSED.contains(&name) => {}
        name if name.starts_with("options[") || name.starts_with("options%5B") => {}
        _ => return Err(PARAMETER),
    }
    let file = FILES.iter().find(|(names, _)| names.contains(&name));
    match file {
        // A path with an escape is the driver's to decode.
        Some((_, missing)) if !value.contains(['%', '+']) && std::fs::File::open(value).is_err() => Err(*missing),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_an_ipv6_address_are_removed() {
        assert_eq!(postgres_address("postgres://me@[::1]:5432/db", "rylie").unwrap().get_host(), "::1");
    }

    #[test]
    fn a_root_certificate_is_always_compared_with_the_servers() {
        let mode = |url: &str| postgres_address(url, "rylie").unwrap().get_ssl_mode();
        let of = |mode: &str| format!("postgres://me@one/db?sslmode={mode}&sslrootcert=Cargo.toml");
        assert!(matches!(mode(&of("require")), PgSslMode::VerifyCa));
        assert!(matches!(mode(&of("verify-full")), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://me@one/db?sslmode=require"), PgSslMode::Require));
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
            ("postgres://me@one/db?sslmod=canary", PARAMETER),
            ("postgres://me@one/db?sslmode=canary", SSL_MODE),
            ("postgres://me:canary/part@one/db", PORT),
            ("postgres://me@one/db?sslmode=verify-ca&sslrootcert=/canary/none.crt", FILES[0].1),
            ("postgres://me@one/db?sslrootcert=Cargo.toml", NOT_VERIFIED),
            ("postgres://me@one/db?sslmode=disable&sslrootcert=Cargo.toml", NOT_VERIFIED),
        ];
        for (url, expected) in cases {
            let error = postgres_address(url, "rylie").unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        for url in ["postgres://me@one/db?schema=public", "postgres://me@one/db?pgbouncer=true&connection_limit=1"] {
            assert!(postgres_address(url, "rylie").is_ok(), "{url}");
        }
    }
}
