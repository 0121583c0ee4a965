//! Runs the command in a temporary folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A working directory. Without settings, its database is a SQLite file there.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn migrated() -> Self {
        let folder = Self::new();
        folder.run(["migrate", "deploy"]).expect(0);
        folder
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    /// Copies the database to another file. The last process may have left a write-ahead log next to it: SQLite removes
    /// the log when the last connection is closed, but not if two are closed at the same time.
    pub(crate) fn copy_database(&self, to: &str) {
        std::fs::copy(self.path("rylie.db"), self.path(to)).unwrap();
        let (log, log_of_copy) = (self.path("rylie.db-wal"), self.path(&format!("{to}-wal")));
        if log.exists() {
            std::fs::copy(log, log_of_copy).unwrap();
        }
    }

    /// Returns the SQLite URL for a test's own queries.
    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.path("rylie.db").display())
    }

    /// Builds the command without settings from the environment, and with empty standard input.
    pub(crate) fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rylie"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("RYLIE_") || ["DATABASE_URL", "ENCRYPTION_KEY", "RUST_LOG"].contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        variable: &str,
        value: impl AsRef<Path>,
        arguments: I,
    ) -> Outcome {
        Outcome::of(self.command(arguments).env(variable, value.as_ref()).output().unwrap())
    }

    /// Starts the command without waiting for it.
    pub(crate) fn start<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    /// Standard error without the line that names the database.
    pub(crate) err: String,
    /// That line.
    pub(crate) target: Option<String>,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (mut err, mut target) = (String::new(), None);
        for line in text(output.stderr).split_inclusive('\n') {
            if line.starts_with("database ") || line.starts_with("SQLite ") {
                assert_eq!(target, None, "the database is named once: {line}");
                target = Some(line.trim_end().to_owned());
            } else {
                err.push_str(line);
            }
        }
        Self { code: output.status.code(), out: text(output.stdout), err, target }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts exactly one JSON document on standard output, and returns it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Asserts one line on standard error that contains the words, and no other output.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        assert_eq!(self.out, "", "{self:#?}");
        self.line_says(words);
    }

    /// Asserts one line on standard error that contains the words.
    #[track_caller]
    pub(crate) fn line_says(&self, words: &str) {
        assert!(self.err.starts_with("rylie: ") && self.err.contains(words), "{self:#?}");
        assert_eq!(self.err.matches('\n').count(), 1, "{self:#?}");
    }
}
