//! Output streams, and exit codes for bad usage.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Folder, Outcome};

#[test]
fn every_command_prints_exactly_one_document() {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "keyring = 'keyring.json'\n");
    let commands = [
        "keys generate",
        "keys list",
        "keys rotate",
        "migrate deploy",
        "migrate status",
        "seed",
        "environment show",
        "environment mark staging",
        "maintain sessions",
        "maintain usage",
        "config show",
        "completions bash",
        "migrate down",
        "migrate deploy",
    ];
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--json", "-vv"]).collect();
        assert!(folder.run(words).expect(0).json().is_object(), "{command}");
    }
}

#[test]
fn a_failure_leaves_standard_output_empty() {
    let folder = Folder::new();
    folder.write("rylie.db", "");
    folder.run(["seed", "--json"]).expect(1).says("not migrated");
}

#[test]
fn quiet_is_quiet_and_errors_are_not() {
    let folder = Folder::new();
    let outcome = folder.run(["migrate", "deploy", "--quiet"]).expect(0);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str()), ("", ""));
    folder.run(["migrate", "reset", "--quiet"]).expect(4).says("refused");
}

#[test]
fn verbose_adds_the_causes() {
    let folder = Folder::new();
    let url = "sqlite://nowhere/rylie.db";
    let plain = folder.run(["migrate", "deploy", "--database-url", url]).expect(1);
    let verbose = folder.run(["migrate", "deploy", "--database-url", url, "-v"]).expect(1);

    assert!(!plain.err.contains("because"), "{plain:?}");
    assert!(verbose.err.contains("\n  because: "), "{verbose:?}");
}

#[test]
fn bad_usage_is_exit_code_2() {
    let folder = Folder::new();
    for arguments in [
        &[][..],
        &["nothing"],
        &["migrate"],
        &["migrate", "deploy", "--nothing"],
        &["completions", "nothing"],
        &["seed", "--file"],
    ] {
        let outcome = folder.run(arguments).expect(2);
        assert_eq!(outcome.out, "");
    }
}

#[test]
fn help_version_and_completions_are_no_errors() {
    let folder = Folder::new();
    assert!(folder.run(["migrate", "down", "--help"]).expect(0).out.contains("Example:"));
    assert_eq!(folder.run(["--version"]).expect(0).out, format!("rylie {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(folder.run(["completions", shell]).expect(0).out.contains("rylie"));
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = Folder::new();
    for arguments in [&["completions", "zsh"][..], &["config", "show"], &["--help"]] {
        let mut child = folder.start(arguments);
        let mut first = [0; 1];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let outcome = Outcome::of(child.wait_with_output().unwrap()).expect(0);
        assert_eq!(outcome.err, "");
    }
}

/// Here the reader is gone before the first byte.
#[cfg(unix)]
#[test]
fn a_reader_that_never_came_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let outcome = Folder::new().command(["completions", "zsh"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(Outcome::of(outcome).expect(0).err, "");
}

#[cfg(unix)]
#[test]
fn with_no_standard_streams_at_all_it_works() {
    let folder = Folder::new();
    let mut shell = std::process::Command::new("sh");
    let script = format!("exec '{}' migrate deploy <&- >&- 2>&-", env!("CARGO_BIN_EXE_rylie"));
    let url = format!("sqlite://{}?mode=rwc", folder.path("rylie.db").display());
    let status = shell.args(["-c", &script]).env("DATABASE_URL", url).status().unwrap();
    assert_eq!(status.code(), Some(0));
    folder.run(["migrate", "status"]).expect(0);
}
