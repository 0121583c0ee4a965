//! The example's process.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_testkit::World;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running service. Dropping it kills the process.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The lines that the service printed before it took calls.
    pub(crate) printed: Vec<String>,
}

impl Service {
    /// Starts the service on a world's database, in a folder of its own.
    pub(crate) async fn start(world: &World, folder: &std::path::Path) -> Self {
        // The third curl line is the last that it prints.
        Self::start_as(world, folder, &[], "?status=PENDING").await
    }

    /// Starts it with more variables, and waits until it prints a line that contains `last`.
    pub(crate) async fn start_as(
        world: &World,
        folder: &std::path::Path,
        variables: &[(&str, &str)],
        last: &str,
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_web_service"))
            .current_dir(folder)
            .envs(variables.iter().copied())
            .env("DATABASE_URL", world.url())
            .env("RYLIE_KEYRING", world.keyring())
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut printed, mut address) = (Vec::new(), None);
        while !printed.iter().any(|line: &String| line.contains(last)) {
            let line = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await.unwrap().unwrap();
            let Some(line) = line else { panic!("the service ended: {printed:?}") };
            address = address.or_else(|| line.strip_prefix("listening on http://")?.parse().ok());
            printed.push(line);
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address: address.unwrap(), printed }
    }

    /// Starts it without a database, and returns what it says before it ends.
    pub(crate) async fn refused(folder: &std::path::Path, variables: &[(&str, &str)]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_web_service"));
        command.current_dir(folder).env_remove("DATABASE_URL").env_remove("RYLIE_KEYRING");
        let output = command.envs(variables.iter().copied()).kill_on_drop(true).output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Kills the process at once, as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks the process to end, and returns whether it ended well.
    pub(crate) async fn terminate(mut self) -> bool {
        let id = self.child.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.unwrap().unwrap().success()
    }
}

/// Begins a session that is valid by the system's clock.
pub(crate) async fn session(world: &World, user: &UserId) -> String {
    let unit = world.store().identity().await.unwrap();
    let token = unit.sessions().begin(user, SystemEnv.now() + chrono::TimeDelta::hours(8)).await.unwrap();
    unit.commit().await.unwrap();
    token.expose().to_owned()
}
