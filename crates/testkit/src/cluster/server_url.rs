//! The parts of a PostgreSQL URL that tests replace: user, host, database.

/// `postgres://user@host/…?query`, without the database.
#[derive(Clone, Debug)]
pub(super) struct ServerUrl {
    user: String,
    host: String,
    query: String,
}

impl ServerUrl {
    /// Returns the URL of a server on this machine that is reached through its socket. [`Self::through`], and programs
    /// without socket support, use the address after the `@`.
    pub(super) fn local(password: &str, port: u16, socket_folder: &str) -> Self {
        Self {
            user: format!("postgres:{password}"),
            host: format!("127.0.0.1:{port}"),
            query: format!("?host={socket_folder}"),
        }
    }

    /// Splits a URL; returns `None` if it is not one of PostgreSQL.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
        let (rest, query) = split_before(rest, '?');
        let (authority, _database) = split_before(rest, '/');
        let (user, host) = authority.rsplit_once('@')?;
        Some(Self { user: user.to_owned(), host: host.to_owned(), query: query.to_owned() })
    }

    pub(super) fn with_user(&self, user: &str) -> Self {
        let user = match self.user.split_once(':') {
            Some((_, password)) => format!("{user}:{password}"),
            None => user.to_owned(),
        };
        Self { user, ..self.clone() }
    }

    /// Returns the same server at another address, never through its socket.
    pub(super) fn through(&self, address: &str) -> Self {
        let query: Vec<&str> = self
            .query
            .trim_start_matches('?')
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("host") && !pair.starts_with("port="))
            .collect();
        Self {
            user: self.user.clone(),
            host: address.to_owned(),
            query: if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) },
        }
    }

    pub(super) fn database(&self, name: &str) -> String {
        format!("postgres://{}@{}/{name}{}", self.user, self.host, self.query)
    }

    /// Returns user and password; the password is empty if there is none.
    pub(super) fn login(&self) -> (&str, &str) {
        self.user.split_once(':').unwrap_or((&self.user, ""))
    }

    /// Returns the connection string for a replica of this server.
    pub(super) fn conninfo(&self) -> String {
        let ((user, password), address) = (self.login(), self.address());
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, "5432"));
        format!("host={host} port={port} user={user} password={password}")
    }

    /// Returns the server's host and port.
    pub(super) fn address(&self) -> String {
        let has_port = self
            .host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        if has_port { self.host.clone() } else { format!("{}:5432", self.host.trim_end_matches(':')) }
    }
}

/// Splits before the first `mark`; the second part is empty if there is none.
fn split_before(text: &str, mark: char) -> (&str, &str) {
    text.split_at(text.find(mark).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::ServerUrl;

    #[test]
    fn the_database_is_exchanged_and_the_rest_kept() {
        let server = ServerUrl::parse("postgresql://me:secret@db.example:6543/mine?sslmode=require").unwrap();

        assert_eq!(server.database("other"), "postgres://me:secret@db.example:6543/other?sslmode=require");
        assert_eq!(server.address(), "db.example:6543");
    }

    #[test]
    fn a_url_without_port_or_database_will_do() {
        let server = ServerUrl::parse("postgres://me@localhost").unwrap();

        assert_eq!(server.database("other"), "postgres://me@localhost/other");
        assert_eq!(server.address(), "localhost:5432");
    }

    #[test]
    fn another_user_keeps_the_password() {
        let server = ServerUrl::local("secret", 6000, "/tmp/x");

        assert_eq!(server.with_user("owner").database("one"), "postgres://owner:secret@127.0.0.1:6000/one?host=/tmp/x");
    }

    #[test]
    fn a_proxy_replaces_host_and_socket() {
        let server = ServerUrl::parse("postgres://me@127.0.0.1:6000/one?host=/tmp/x&sslmode=disable").unwrap();

        assert_eq!(
            server.through("127.0.0.1:7000").database("one"),
            "postgres://me@127.0.0.1:7000/one?sslmode=disable"
        );
    }

    #[test]
    fn what_is_not_postgres_is_refused() {
        assert!(ServerUrl::parse("mysql://me@localhost/one").is_none());
        assert!(ServerUrl::parse("postgres:///one").is_none());
    }
}
