//! `rylie seed`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use rylie_db::maintenance::{self, Error};
use serde_json::error::Category;
use serde_json::json;

use super::migrated_database;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Create the super admin, the default settings, and the entries of a file
///
/// Existing rows stay, or are updated where the file differs; a second run changes nothing. The file is a JSON object
/// with `superAdmin`, `settings`, `agencies` and `users`, each optional.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie seed --file seed.json\n  \
    echo '{\"users\": [{\"email\": \"ann@example.com\"}]}' | rylie seed --file -")]
pub(crate) struct Seed {
    /// The file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Seed {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let seed = self.file.as_deref().map_or(Ok(maintenance::Seed::default()), read)?;
        let database = migrated_database(global).await?;
        let seeded = database.seed(&seed).await?;
        database.close().await;
        Ok(Report::new(json!(seeded), format!("created {}, updated {}", seeded.created, seeded.updated)))
    }
}

fn read(path: &Path) -> Result<maintenance::Seed> {
    let text = read_text(path).map_err(|source| Failure::File {
        doing: format!("reading the seed file {}; check that it exists and is readable text", path.display()),
        source,
    })?;
    maintenance::Seed::from_json(&text).map_err(|error| match error {
        Error::SeedFile(cause) => Failure::SeedFile(format!(
            "the seed file is not valid at line {}, column {}: {}; fix it, see `rylie seed --help`",
            cause.line(),
            cause.column(),
            without_content(&cause)
        )),
        other => other.into(),
    })
}

fn read_text(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        return std::io::stdin().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(path)
}

/// Returns the parser's message without content of the file: the part after `expected` describes the format only.
fn without_content(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _position)| text);
    if error.classify() != Category::Data || text.starts_with("missing field `") {
        return text.to_owned();
    }
    text.rsplit_once(", expected ").map_or("the value is invalid", |(_, expected)| expected).to_owned()
}

#[cfg(test)]
mod tests {
    use rylie_db::maintenance::{Error, Seed};

    use super::without_content;

    fn complaint(json: &str) -> String {
        match Seed::from_json(json).unwrap_err() {
            Error::SeedFile(cause) => without_content(&cause),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn nothing_of_the_file_is_quoted() {
        for json in [
            r#"{"canary": 1}"#,
            r#"{"users": "canary"}"#,
            r#"{"users": "x, expected canary at line 1"}"#,
            r#"{"users": [{"email": "a", "role": "canary, expected canary"}]}"#,
            r#"{"users": [{"email": {"canary": 1}}]}"#,
            r#"{"canary": "#,
            "canary",
        ] {
            assert!(!complaint(json).contains("canary"), "{}", complaint(json));
        }
    }

    #[test]
    fn what_was_expected_is_reported() {
        assert!(complaint(r#"{"agencys": []}"#).contains("`agencies`"));
        assert_eq!(complaint(r#"{"users": [{}]}"#), "missing field `email`");
    }
}
