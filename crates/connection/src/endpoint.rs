//! Which database a pool leads to, in the words that traces and metrics have for it.

use std::sync::Arc;

use metrics::{Label, SharedString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const POSTGRES_PORT: u16 = 5432;

/// The attributes of the server that every span and metric shares. Neither login nor folder is among them.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) system: &'static str,
    /// The database's name; of a SQLite database its file's.
    pub(crate) namespace: Arc<str>,
    /// Host or socket; none for SQLite.
    pub(crate) address: Option<Arc<str>>,
    /// Where it is not the usual one.
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

    /// The labels of a metric about statements, to which others may be added.
    pub(crate) fn labels(&self) -> Vec<Label> {
        let mut labels = vec![
            Label::from_static_parts("db.system.name", self.system),
            label("db.namespace", Arc::clone(&self.namespace)),
        ];
        labels.extend(self.address.clone().map(|address| label("server.address", address)));
        labels.extend(self.port.map(|port| label("server.port", port.to_string())));
        labels
    }

    /// The labels of a metric about the pool.
    pub(crate) fn labels_of_pool(&self) -> Vec<Label> {
        vec![label("db.client.connection.pool.name", Arc::clone(&self.pool))]
    }
}

/// A label whose name is ours.
pub(crate) fn label(name: &'static str, value: impl Into<SharedString>) -> Label {
    Label::new(name, value)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn neither_login_nor_folder_is_told() {
        let postgres = PgConnectOptions::from_str("postgres://canary:canary@db.example:6432/app").unwrap();
        let sqlite = SqliteConnectOptions::from_str("sqlite:///home/canary/rylie.db").unwrap();
        let (postgres, sqlite) = (Endpoint::postgres(&postgres), Endpoint::sqlite(&sqlite));

        assert_eq!((&*postgres.pool, &*sqlite.pool), ("db.example:6432/app", "rylie.db"));
        assert_eq!((postgres.port, &*sqlite.namespace), (Some(6432), "rylie.db"));
        let told = format!("{postgres:?}{:?}{sqlite:?}{:?}", postgres.labels(), sqlite.labels());
        assert!(!told.contains("canary"), "{told}");
    }
}
