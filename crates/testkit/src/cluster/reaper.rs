//! Drops databases in the background.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::runtime;

use super::server_url::ServerUrl;
use crate::{Error, Result};

/// A thread that drops databases: a destructor cannot wait, and the runtime of a test ends with the test.
#[derive(Debug)]
pub(super) struct DatabaseReaper(Sender<String>);

impl DatabaseReaper {
    pub(super) fn start(url: ServerUrl) -> Result<Self> {
        let (sender, receiver) = channel();
        thread::Builder::new()
            .name("rylie-undertaker".to_owned())
            .spawn(move || work(&url, &receiver))
            .map_err(Error::io("starting a thread that drops databases"))?;
        Ok(Self(sender))
    }

    /// Schedules the drop of a database. If that fails, or the process ends before, the database remains.
    pub(super) fn drop_later(&self, name: String) {
        // Sending fails only if the thread is gone, and then the database remains.
        let _ = self.0.send(name);
    }
}

fn work(url: &ServerUrl, names: &Receiver<String>) {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    for name in names {
        // Best effort: a private server is deleted anyway; on another server an empty database remains.
        let _ = runtime.block_on(super::drop_database(url, &name));
    }
}
