//! The `application_name` of every session, by which the server's own views and logs name it.

use super::{Reader, wrong};
use crate::error::Result;

/// PostgreSQL cuts longer names.
const LONGEST: usize = 63;

/// Returns the name: the given one, else that of the settings, else `rylie/` and the program's name.
pub(super) fn read(read: &Reader<'_>, given: Option<&str>) -> Result<String> {
    let Some(name) = given.or_else(|| read.text("application_name")) else { return Ok(of_program()) };
    let fits = (1..=LONGEST).contains(&name.len()) && name.chars().all(|letter| matches!(letter, ' '..='~'));
    if fits {
        Ok(name.to_owned())
    } else {
        Err(wrong("application_name", format!("it must be 1 to {LONGEST} ASCII characters")))
    }
}

fn of_program() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_stem().unwrap_or_default().to_string_lossy();
    let program: String = program.chars().filter(|letter| matches!(letter, '!'..='~')).take(LONGEST - 6).collect();
    if program.is_empty() { "rylie/service".to_owned() } else { format!("rylie/{program}") }
}

/// Returns the URL with the name, unless it has one or is not PostgreSQL's. A pooler accepts it too.
pub(super) fn named(url: &str, name: &str) -> String {
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_postgres || url.contains('#') || url.contains("application_name=") {
        return url.to_owned();
    }
    let suffix = suffix(name);
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{suffix}")
}

/// Returns the URL without the name that [`named`] added.
pub(super) fn without_name<'u>(url: &'u str, name: &str) -> &'u str {
    let given = url.strip_suffix(&suffix(name));
    given.and_then(|given| given.strip_suffix(['?', '&'])).unwrap_or(url)
}

fn suffix(name: &str) -> String {
    let letters = name.bytes().map(|letter| {
        if letter.is_ascii_alphanumeric() || b"-._".contains(&letter) {
            char::from(letter).to_string()
        } else {
            format!("%{letter:02X}")
        }
    });
    format!("application_name={}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{named, without_name};
    use crate::Config;

    #[test]
    fn a_url_gets_the_name_and_loses_it_again() {
        for (url, whole) in [
            ("postgres://me@h/db", "postgres://me@h/db?application_name=rylie%2Fmigrate%20deploy"),
            (
                "postgres://me@h/db?sslmode=require",
                "postgres://me@h/db?sslmode=require&application_name=rylie%2Fmigrate%20deploy",
            ),
        ] {
            assert_eq!(named(url, "rylie/migrate deploy"), whole);
            assert_eq!(without_name(whole, "rylie/migrate deploy"), url);
        }
        for unchanged in ["sqlite://file.db?mode=rwc", "postgres://me@h/db?application_name=shop"] {
            assert_eq!(named(unchanged, "rylie/web"), unchanged);
        }
    }

    #[test]
    fn the_name_is_a_setting_and_shows_in_no_url() {
        let config = Config::builder().set("database_url", "postgres://me:x@h/db").unwrap();
        let config = config.set("application_name", "rylie/web").unwrap().build().unwrap();
        assert_eq!(config.url, "postgres://me:x@h/db?application_name=rylie%2Fweb");
        assert_eq!(
            (config.database_url(), config.shown_url().as_str()),
            ("postgres://me:x@h/db", "postgres://me:***@h/db")
        );
        for wrong in ["", "tab\t", &"x".repeat(64)] {
            let set = Config::builder().set("application_name", wrong).unwrap();
            assert!(set.build().is_err(), "{wrong:?}");
        }
    }
}
