//! Receiving the WAL: `pg_receivewal` under supervision.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::folder::PitrFolder;
use super::ready::same_cluster;
use super::server::Server;
use crate::backup::address::Address;
use crate::backup::program::Program;
use crate::engine::Engine;
use crate::error::{Error, Result, in_words};

/// Pauses between two attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A receiver that ran so long was healthy: the next pause is the first again.
const HEALTHY: Duration = Duration::from_mins(1);

/// Receives the WAL into the folder until the future is dropped. Starts the receiver again after each end.
///
/// The receiver acknowledges WAL that is on disk (`--synchronous`), and the server keeps the rest for the slot. So
/// nothing is lost if any process is killed. A future that is dropped kills the receiver.
///
/// [`Error::PitrRefused`] if another process receives into the folder, and if the server is another cluster. Both are
/// errors at the beginning only: afterwards everything is retried, with a line in the log.
pub async fn receive_wal(engine: &Engine, folder: &PitrFolder) -> Result<()> {
    folder.manifest()?;
    let _lock = folder.lock_for_receiver()?;
    let mut pause = FIRST_PAUSE;
    let mut is_first = true;
    loop {
        let begun = Instant::now();
        match receive_once(engine, folder).await {
            Err(error @ Error::PitrRefused { .. }) if is_first => return Err(error),
            Err(error) => tracing::warn!(error = in_words(&error), "the WAL is not received; it will be retried"),
            Ok(()) => tracing::warn!("the receiver ended; it is started again"),
        }
        is_first = false;
        if begun.elapsed() >= HEALTHY {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn receive_once(engine: &Engine, folder: &PitrFolder) -> Result<()> {
    let manifest = folder.manifest()?;
    let mut server = Server::connect(engine).await?;
    let facts = server.facts().await?;
    server.close().await;
    same_cluster(&manifest, &facts)?;
    let program = Program::find("pg_receivewal", facts.major).await?;
    let words = ["--synchronous", "--no-loop", "--status-interval=5", "--no-password"].map(OsString::from);
    let mut arguments: Vec<OsString> = words.into();
    for (name, value) in [("--slot=", OsString::from(&manifest.slot)), ("--directory=", folder.wal().into_os_string())]
    {
        let mut argument = OsString::from(name);
        argument.push(value);
        arguments.push(argument);
    }
    tracing::info!(slot = manifest.slot, timeline = facts.timeline, "receiving the WAL");
    program.run(&arguments, &Address::parse(engine.url())?, || ()).await
}
