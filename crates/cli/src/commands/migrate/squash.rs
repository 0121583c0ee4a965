//! `rylie migrate squash`

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rylie_db::migration;
use serde_json::json;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Write all migrations into one SQL file, for an empty database
///
/// The file is one transaction that creates the same schema as all migrations, including their record. Needs no
/// database. An existing file is refused (exit code 4).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie migrate squash --out schema.sql && psql -v ON_ERROR_STOP=1 -f schema.sql")]
pub(crate) struct Squash {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The engine
    #[arg(long, value_enum, default_value_t = Engine::Postgres)]
    engine: Engine,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Postgres,
    Sqlite,
}

impl Squash {
    pub(crate) fn run(&self, global: &Global) -> Result<Report> {
        let engine = match self.engine {
            Engine::Postgres => migration::Engine::Postgres,
            Engine::Sqlite => migration::Engine::Sqlite,
        };
        let file = self.out.display().to_string();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => Failure::Refused(format!("{file} exists; name another file")),
            _ => Failure::File { doing: format!("writing {file}"), source },
        };
        let mut out = std::fs::File::create_new(&self.out).map_err(failed)?;
        io::Write::write_all(&mut out, global.schema.squash(engine).as_bytes()).map_err(failed)?;
        Ok(Report::new(json!({ "file": file }), format!("wrote {file}")))
    }
}
