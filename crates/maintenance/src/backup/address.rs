//! The parts of a PostgreSQL URL, for programs that take them from the environment.

use crate::error::{Error, Result};

/// A PostgreSQL URL in parts. `Debug` is not implemented: it holds a password.
#[derive(Clone)]
pub(crate) struct Address {
    authority: String,
    database: String,
    query: Vec<(String, String)>,
}

/// The parameters of a URL that libpq takes from an environment variable.
const VARIABLES: [(&str, &str); 8] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("sslmode", "PGSSLMODE"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
];

impl Address {
    /// Splits a URL. [`Error::Invalid`] for any other text.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let wrong = || Error::invalid("the database URL", "it must be postgres://user@host/database");
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or_else(wrong)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Ok(Self {
            authority: authority.to_owned(),
            database: database.to_owned(),
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    /// The URL of another database of the same server.
    pub(crate) fn url_of(&self, database: &str) -> String {
        let query: Vec<String> = self
            .query
            .iter()
            .filter(|(name, _)| name != "dbname")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        format!("postgres://{}/{database}{query}", self.authority)
    }

    /// The name of the database.
    pub(crate) fn database(&self) -> String {
        let named = self.query.iter().find(|(name, _)| name == "dbname").map(|(_, value)| value.as_str());
        decoded(named.unwrap_or(&self.database))
    }

    /// The variables with which libpq connects to this database. No password is in the arguments of a program.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        let (login, place) = self.authority.rsplit_once('@').unwrap_or(("", &self.authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (place, ""),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let parts = [("PGHOST", host), ("PGPORT", port), ("PGUSER", user), ("PGPASSWORD", password)];
        variables.extend(parts.map(|(name, value)| (name, decoded(value))));
        variables.push(("PGDATABASE", decoded(&self.database)));
        for (name, value) in &self.query {
            let name = match name.as_str() {
                "dbname" => "PGDATABASE",
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
                "ssl-mode" => "PGSSLMODE",
                "ssl-cert" => "PGSSLCERT",
                "ssl-key" => "PGSSLKEY",
                other => match VARIABLES.iter().find(|(known, _)| *known == other) {
                    Some((_, variable)) => variable,
                    None => continue,
                },
            };
            // The query decides over the part before it, as the driver has it.
            variables.retain(|(known, _)| *known != name);
            variables.push((name, decoded(value)));
        }
        variables.retain(|(_, value)| !value.is_empty());
        variables
    }
}

/// The path in the URL of a SQLite database.
pub(super) fn file_of(url: &str) -> Result<String> {
    let rest = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let path = rest.and_then(|rest| rest.split('?').next()).filter(|path| !path.is_empty() && *path != ":memory:");
    path.map(str::to_owned)
        .ok_or_else(|| Error::invalid("the target", "the backup is a SQLite file; name sqlite://file.db"))
}

/// A text as a part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Replaces `%2F` and the like by the characters they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Address, encoded};

    fn variable(url: &str, name: &str) -> Option<String> {
        let variables = Address::parse(url).unwrap().variables();
        variables.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn every_part_of_a_url_becomes_its_variable() {
        let url = "postgres://ann:p%40ss%3a@db.example:6543/plat%20form?sslmode=require";
        for (name, value) in [
            ("PGUSER", "ann"),
            ("PGPASSWORD", "p@ss:"),
            ("PGHOST", "db.example"),
            ("PGPORT", "6543"),
            ("PGDATABASE", "plat form"),
            ("PGSSLMODE", "require"),
        ] {
            assert_eq!(variable(url, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn parts_of_a_url_are_encoded() {
        assert_eq!(encoded("/tmp/a b"), "%2Ftmp%2Fa%20b");
        assert_eq!(encoded("a b/ü"), "a%20b%2F%C3%BC");
    }

    #[test]
    fn a_socket_is_the_host() {
        for url in ["postgres://ann@127.0.0.1:6000/one?host=/tmp/x", "postgres://ann@%2Ftmp%2Fx:6000/one"] {
            assert_eq!(variable(url, "PGHOST").as_deref(), Some("/tmp/x"));
            assert_eq!(variable(url, "PGPORT").as_deref(), Some("6000"));
        }
        assert_eq!(variable("postgres://ann@[::1]:6000/one", "PGHOST").as_deref(), Some("::1"));
        assert_eq!(variable("postgres:///one", "PGHOST"), None);
    }

    #[test]
    fn another_database_of_the_server_keeps_the_rest() {
        let address = Address::parse("postgresql://ann:x@host/one?sslmode=require&dbname=two").unwrap();
        assert_eq!(address.url_of("drill"), "postgres://ann:x@host/drill?sslmode=require");
        assert!(Address::parse("sqlite://file.db").is_err());
    }
}
