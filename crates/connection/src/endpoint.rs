//! The database of a pool, as attributes for traces and metrics.

use std::sync::Arc;

use metrics::{Label, SharedString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const POSTGRES_PORT: u16 = 5432;

/// The server attributes that all spans and metrics share. They contain neither login nor folder.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) system: &'static str,
    /// The database's name; on SQLite its file name.
    pub(crate) namespace: Arc<str>,
    /// Host or socket; none for SQLite.
    pub(crate) address: Option<Arc<str>>,
    /// Only if it is not the default port.
    pub(crate) port: Option<u16>,
    pool: Arc<str>,
}

impl Endpoint {
    pub(crate) fn postgres(options: &PgConnectOptions) -> Self {
        let namespace: Arc<str> = options.get_database().unwrap_or_else(|| options.get_username()).into();
        let (address, port) = match options.get_socket() {
            Some(socket) => (socket.to_string_lossy().into_owned(), None),
            None => (options.get_host().to_owned(), Some(options.get_port())),
        };
        let pool =
            port.map_or_else(|| format!("{address}/{namespace}"), |port| format!("{address}:{port}/{namespace}"));
        Self {
            system: "postgresql",
            namespace,
            address: Some(address.into()),
            port: port.filter(|port| *port != POSTGRES_PORT),
            pool: pool.into(),
        }
    }

    pub(crate) fn sqlite(options: &SqliteConnectOptions) -> Self {
        let file = options.get_filename().file_name().unwrap_or_default().to_string_lossy();
        let namespace: Arc<str> = file.as_ref().into();
        Self { system: "sqlite", pool: Arc::clone(&namespace), namespace, address: None, port: None }
    }

    /// Returns the database in words, with the login and without the password.
    pub(crate) fn target_of_postgres(options: &PgConnectOptions) -> String {
        let place = Self::postgres(options);
        let address = place.address.as_deref().unwrap_or_default();
        let login = options.get_username();
        match options.get_socket() {
            Some(_) => format!("database {} on {address}, port {}, login {login}", place.namespace, options.get_port()),
            None => format!("database {} on {address}:{}, login {login}", place.namespace, options.get_port()),
        }
    }

    /// Returns the labels of a metric about statements, to which callers may add others.
    pub(crate) fn labels(&self) -> Vec<Label> {
        let mut labels = vec![
            Label::from_static_parts("db.system.name", self.system),
            label("db.namespace", Arc::clone(&self.namespace)),
        ];
        labels.extend(self.address.clone().map(|address| label("server.address", address)));
        labels.extend(self.port.map(|port| label("server.port", port.to_string())));
        labels
    }

    /// Returns the labels of a metric about the pool.
    pub(crate) fn labels_of_pool(&self) -> Vec<Label> {
        vec![label("db.client.connection.pool.name", Arc::clone(&self.pool))]
    }
}

/// Creates a label with a name of our own.
pub(crate) fn label(name: &'static str, value: impl Into<SharedString>) -> Label {
    Label::new(name, value)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn neither_login_nor_folder_is_reported() {
        let postgres = PgConnectOptions::from_str("postgres://canary:canary@db.example:6432/app").unwrap();
        let sqlite = SqliteConnectOptions::from_str("sqlite:///home/canary/rylie.db").unwrap();
        let (postgres, sqlite) = (Endpoint::postgres(&postgres), Endpoint::sqlite(&sqlite));

        assert_eq!((&*postgres.pool, &*sqlite.pool), ("db.example:6432/app", "rylie.db"));
        assert_eq!((postgres.port, &*sqlite.namespace), (Some(6432), "rylie.db"));
        let reported = format!("{postgres:?}{:?}{sqlite:?}{:?}", postgres.labels(), sqlite.labels());
        assert!(!reported.contains("canary"), "{reported}");
    }
}
