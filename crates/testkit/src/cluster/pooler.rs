//! A transaction-mode pooler in front of the test server.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::process::{Script, free_port, own_folder, run_by_script};
use super::server_url::ServerUrl;
use crate::{Error, Result};

/// Starts the pooler and stops it with this process; see the script.
const SCRIPT: &str = include_str!("pooler.sh");

const PATIENCE: Duration = Duration::from_secs(30);

/// Server connections for each database: fewer than a store has, so that units share connections.
const SERVER_CONNECTIONS: u32 = 4;

/// PgBouncer in transaction mode: each transaction may run on a different server connection. It stops when the value is
/// dropped or the process ends, even by a kill.
#[derive(Debug)]
pub struct Pooler {
    script: Script,
    address: String,
    // Declared after `script`, so the folder is deleted after the pooler ends.
    folder: TempDir,
}

impl Pooler {
    pub(super) async fn start(server: &ServerUrl) -> Result<Self> {
        let program = program().ok_or(Error::PoolerMissing)?;
        let port = free_port()?;
        let (folder, user) = own_folder("pgbouncer.ini", &settings(server, port))?;
        let script = run_by_script(SCRIPT, &[program.as_ref(), folder.path().as_ref()], folder.path(), user.as_ref())?;
        let mut pooler = Self { script, address: format!("127.0.0.1:{port}"), folder };
        pooler.wait_until_ready(&server.through(&pooler.address).database("postgres")).await?;
        Ok(pooler)
    }

    async fn wait_until_ready(&mut self, url: &str) -> Result<()> {
        // PgBouncer 1.18 rejects these startup parameters of the driver.
        let options = PgConnectOptions::from_str(url).map_err(Error::sql("reading the pooler's address"))?;
        let options = options.extra_float_digits(None).statement_cache_capacity(0);
        let log = self.folder.path().join("log");
        self.script.wait_until_ready(&options, PATIENCE, "watching the pooler", &log).await
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Finds the program. Packages install it with the daemons, often outside `PATH`.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

/// Returns a configuration that accepts every client: the address is local, and the databases live for seconds.
fn settings(server: &ServerUrl, port: u16) -> String {
    let address = server.address();
    let (host, server_port) = address.rsplit_once(':').unwrap_or((&address, "5432"));
    let (user, password) = server.login();
    format!(
        "[databases]\n* = host={host} port={server_port} user={user} password={password}\n\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nmax_client_conn = 1000\nserver_idle_timeout = 3\nserver_login_retry = 1\n"
    )
}
