//! Configuration: code over environment over `rylie.toml` over defaults.

mod maintenance;
mod replicas;
mod schedule;
mod secrets;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rylie_crypto::Secret;
use rylie_repositories::{Pool, PoolOptions, Quota, Quotas, SecretPolicies};

use crate::error::{Error, Result};

pub(crate) use maintenance::Maintenance;
pub(crate) use replicas::ReplicaSettings;
use schedule::Schedules;
use settings::{Known, masked, without_password};
pub use settings::{Origin, Setting};

/// The file that [`Config::load`] reads, in the working directory.
const FILE: &str = "rylie.toml";

/// The prefix of all environment variables except `DATABASE_URL` and `ENCRYPTION_KEY`.
const VARIABLE_PREFIX: &str = "RYLIE_";

/// Variables that are no settings: of the command line, and of tests.
const OTHER_VARIABLES: [&str; 3] = ["RYLIE_AUDIT_PUBLIC_KEY", "RYLIE_ATTACK_SEED", "RYLIE_SEED"];

fn is_of_others(variable: &str) -> bool {
    variable.starts_with("RYLIE_TEST_") || OTHER_VARIABLES.contains(&variable)
}

/// Returns all settings in display order.
fn all() -> impl Iterator<Item = &'static Known> {
    settings::KNOWN.iter().chain(&secrets::KNOWN)
}

/// The address of the database, the keys and all other settings. `Debug` shows no secret.
#[derive(Clone)]
pub struct Config {
    values: Values,
    pub(crate) url: String,
    pub(crate) platform_url: Option<String>,
    pub(crate) pool: PoolOptions,
    pub(crate) replicas: ReplicaSettings,
    pub(crate) fingerprint: Option<String>,
    pub(crate) keyring: Option<PathBuf>,
    pub(crate) encryption_key: Option<String>,
    pub(crate) secrets: SecretPolicies,
    pub(crate) quotas: Quotas,
    pub(crate) maintenance: Maintenance,
    pub(crate) schedules: Schedules,
}

type Values = BTreeMap<&'static str, (String, Origin)>;

impl Config {
    /// Uses the database at `url` and defaults for the rest: `postgres://user@host/db` or `sqlite://file.db?mode=rwc`.
    pub fn new(url: &str) -> Result<Self> {
        ConfigBuilder::default().set("database_url", url)?.build()
    }

    /// Reads the environment over the file `rylie.toml` in the working directory, if it exists, over the defaults. The
    /// default database is `sqlite://rylie.db?mode=rwc`.
    pub fn load() -> Result<Self> {
        let file = Path::new(FILE);
        let builder = ConfigBuilder::default();
        let builder = if file.exists() { builder.file(file)? } else { builder };
        builder.environment()?.build()
    }

    /// Returns a builder with the defaults. Each step overrides the previous ones.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Returns the address of the database, password included.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.url
    }

    /// Returns whether the URL names a missing SQLite file. Connecting would create an empty one, or fail.
    #[must_use]
    pub fn is_file_missing(&self) -> bool {
        Pool::is_file_missing(&self.url)
    }

    /// Returns the fingerprint that the database must have, if one is set.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Returns the path of the keyring file, if one is set.
    #[must_use]
    pub fn keyring(&self) -> Option<&Path> {
        self.keyring.as_deref()
    }

    /// Returns every setting with its value and source, secrets masked.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let shown = all().map(|known| {
            let value = self.values.get(known.name).or_else(|| self.values.get(known.follows?));
            let (value, origin) = match value {
                Some((value, origin)) => (masked(known, value), *origin),
                None => (known.default.to_owned(), Origin::Default),
            };
            Setting { name: known.name.to_owned(), value, origin }
        });
        shown.chain(self.schedules.settings()).collect()
    }

    fn of(values: Values, schedules: Schedules) -> Result<Self> {
        let read = Reader(&values);
        let defaults = PoolOptions::default();
        let pool = PoolOptions {
            max_connections: read.number("max_connections", 1..=10_000)?.unwrap_or(defaults.max_connections),
            acquire_timeout: read.seconds("acquire_timeout_seconds", 0)?.unwrap_or(defaults.acquire_timeout),
            statement_timeout: read.seconds("statement_timeout_seconds", 0)?.unwrap_or(defaults.statement_timeout),
            // PostgreSQL reads zero as no limit.
            lock_timeout: read.seconds("lock_timeout_seconds", 1)?.unwrap_or(defaults.lock_timeout),
            network_timeout: read.part_of_a_day("network_timeout_seconds")?.unwrap_or(defaults.network_timeout),
            behind_pooler: read.flag("behind_pooler")?.unwrap_or(defaults.behind_pooler),
            ..defaults
        };
        let packages = Quotas::default();
        let quotas = Quotas {
            silver: read.quota("quota_silver")?.unwrap_or(packages.silver),
            gold: read.quota("quota_gold")?.unwrap_or(packages.gold),
            platinum: read.quota("quota_platinum")?.unwrap_or(packages.platinum),
        };
        let url = read.text("database_url").unwrap_or("sqlite://rylie.db?mode=rwc");
        Ok(Self {
            quotas,
            url: shared_if_in_memory(url),
            platform_url: platform_url(&read, url)?,
            pool,
            replicas: replicas::read(&read, url)?,
            fingerprint: read.text("fingerprint").map(str::to_owned),
            keyring: read.text("keyring").map(PathBuf::from),
            encryption_key: read.text("encryption_key").map(str::to_owned),
            secrets: secrets::read(&read)?,
            maintenance: maintenance::read(&read)?,
            schedules,
            values,
        })
    }

    /// Returns the address for platform and operations units and jobs: the setting `platform_url`, or `database_url`.
    #[must_use]
    pub fn platform_url(&self) -> &str {
        self.platform_url.as_deref().unwrap_or(&self.url)
    }

    pub(crate) fn shown_platform_url(&self) -> String {
        without_password(self.platform_url())
    }

    pub(crate) fn shown_url(&self) -> String {
        without_password(&self.url)
    }

    pub(crate) fn encryption_key(&self) -> Option<Secret<String>> {
        self.encryption_key.clone().map(Secret::new)
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.settings()).finish()
    }
}

/// Builds a [`Config`] from several sources. Later sources override earlier ones.
#[derive(Clone, Default)]
#[must_use]
pub struct ConfigBuilder {
    values: Values,
    schedules: Schedules,
}

impl ConfigBuilder {
    /// Reads a TOML file. Relative file names in it are resolved against its folder, not the working directory. The
    /// address of a SQLite database is a URL and is not resolved. Fails with [`Error::Config`] if the file cannot be
    /// read or names a setting that does not exist.
    pub fn file(mut self, path: &Path) -> Result<Self> {
        let unreadable = |reason: String| Error::Config { setting: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| unreadable(malformed(&text, &error)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (name, value) in table {
            self.put_from_file(folder, &name, value)?;
        }
        Ok(self)
    }

    /// Reads environment variables such as `DATABASE_URL` and `RYLIE_KEYRING`. Empty ones count as unset. Fails with
    /// [`Error::Config`] for an unknown variable with the prefix `RYLIE_`, except those of tests (`RYLIE_TEST_…`).
    pub fn environment(mut self) -> Result<Self> {
        Self::refuse_unknown_variables()?;
        for known in all() {
            match std::env::var(known.variable) {
                Ok(value) if !value.is_empty() => self.put(known.name, value, Origin::Environment)?,
                Ok(_) | Err(std::env::VarError::NotPresent) => {}
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(Error::Config {
                        setting: known.variable.to_owned(),
                        reason: "it must be valid UTF-8".to_owned(),
                    });
                }
            }
        }
        Ok(self)
    }

    /// Rejects unknown variables, because a misspelt setting would have no effect.
    fn refuse_unknown_variables() -> Result<()> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut ours = names.filter(|name| name.starts_with(VARIABLE_PREFIX) && !is_of_others(name));
        match ours.find(|name| all().all(|known| known.variable != name)) {
            Some(name) => {
                Err(wrong(&name, "there is no such variable; `rylie config show` lists the settings".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Sets one setting by its name in the file, over every other source.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`set(\"max_connections\", 4)` reads better than with a reference"
    )]
    pub fn set(mut self, name: &str, value: impl ToString) -> Result<Self> {
        self.put(name, value.to_string(), Origin::Code)?;
        Ok(self)
    }

    /// Checks every value. Fails with [`Error::Config`], which names the first wrong one.
    pub fn build(self) -> Result<Config> {
        Config::of(self.values, self.schedules)
    }

    /// Stores the values of a file. Values in a table have the table's name as a prefix.
    fn put_from_file(&mut self, folder: &Path, name: &str, value: toml::Value) -> Result<()> {
        let text = match value {
            toml::Value::String(text) => within(folder, name, text)?,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Array(items) => list(name, &items)?,
            toml::Value::Table(table) => {
                let mut inner = table.into_iter();
                return inner
                    .try_for_each(|(inner, value)| self.put_from_file(folder, &format!("{name}.{inner}"), value));
            }
            toml::Value::Datetime(_) => {
                return Err(wrong(name, "it must be text, a number, true, false or a list of texts".to_owned()));
            }
        };
        self.put(name, text, Origin::File)
    }

    fn put(&mut self, name: &str, value: String, origin: Origin) -> Result<()> {
        if let Some(of_job) = name.strip_prefix(schedule::PREFIX) {
            return self.schedules.put(of_job, value, origin);
        }
        let known = all().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<_> = all().map(|known| known.name).collect();
            Error::Config {
                setting: name.to_owned(),
                reason: format!("it does not exist; the settings are {}", names.join(", ")),
            }
        })?;
        self.values.insert(known.name, (value, origin));
        Ok(())
    }
}

/// Names a database in memory, so that a second connection shares it. Migrating opens one.
fn shared_if_in_memory(url: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if !matches!(url, "sqlite::memory:" | "sqlite://:memory:") {
        return url.to_owned();
    }
    format!("sqlite://file:rylie-memory-{}?mode=memory&cache=shared", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Reads `platform_url`, which needs PostgreSQL: SQLite has no logins.
fn platform_url(read: &Reader<'_>, database_url: &str) -> Result<Option<String>> {
    let Some(url) = read.text("platform_url") else { return Ok(None) };
    let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
    if is_postgres(url) && is_postgres(database_url) {
        return Ok(Some(url.to_owned()));
    }
    Err(wrong("platform_url", "it needs PostgreSQL: both URLs must begin with postgres://".to_owned()))
}

/// Reads typed values. Errors name the setting and never show the value.
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    fn number(&self, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(wrong(name, format!("it must be a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// Reads a number of seconds, of at least `least`.
    fn seconds(&self, name: &str, least: u32) -> Result<Option<Duration>> {
        Ok(self.number(name, least..=86_400)?.map(|seconds| Duration::from_secs(seconds.into())))
    }

    /// Reads a positive number of seconds, with fractions, up to a day.
    fn part_of_a_day(&self, name: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
            _ => Err(wrong(name, "it must be a number of seconds from 0.001 to 86400".to_owned())),
        }
    }

    fn quota(&self, name: &str) -> Result<Option<Quota>> {
        let reason = "it must be four whole numbers: pages,blogs,posts,improvements";
        let quota = self.text(name).map(str::parse).transpose();
        quota.map_err(|_| wrong(name, reason.to_owned()))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(wrong(name, "it must be true or false".to_owned())),
        }
    }
}

/// Resolves a file name against the folder of the settings file. Addresses, as of object storage, stay unchanged.
fn within(folder: &Path, name: &str, text: String) -> Result<String> {
    if text.is_empty() || text.contains("://") || !all().any(|known| known.name == name && known.is_file) {
        return Ok(text);
    }
    let path = folder.join(text).into_os_string().into_string();
    path.map_err(|_| wrong(name, "the folder of the settings file must be valid UTF-8".to_owned()))
}

/// Joins a list of words. An empty list becomes `none`, because an empty text would count as unset.
fn list(name: &str, items: &[toml::Value]) -> Result<String> {
    let words = items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>();
    let words = words.ok_or_else(|| wrong(name, "each item of the list must be text".to_owned()))?;
    Ok(if words.is_empty() { "none".to_owned() } else { words.join(", ") })
}

/// Returns the position and the reason of a syntax error in the settings file, without content of the file.
fn malformed(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else { return error.message().to_owned() };
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    format!("line {line}, column {}: {}", last.chars().count() + 1, error.message())
}

fn wrong(name: &str, reason: String) -> Error {
    Error::Config { setting: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::{Config, Origin};

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://me:canary@host/db",
            "postgres://host/db?user=me&password=canary",
            "postgres://me:can%40canary@host/db",
        ] {
            let config = Config::builder().set("database_url", url).unwrap().set("encryption_key", "canary").unwrap();
            let shown = format!("{:?}", config.build().unwrap());
            assert!(!shown.contains("canary"), "{shown}");
            assert!(shown.contains("host"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_url_is_not_shown_at_all() {
        for url in ["host=db password=canary", "me:canary@host/db", "postgres://me:can?canary@host/db"] {
            let shown = format!("{:?}", Config::new(url).unwrap());
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(format!("{:?}", Config::new("sqlite::memory:").unwrap()).contains("sqlite::memory:"));
    }

    #[test]
    fn a_wrong_value_and_an_unknown_name_are_refused_without_showing_the_value() {
        for (name, value) in [
            ("max_connections", "canary"),
            ("max_connections", "0"),
            ("behind_pooler", "canary"),
            ("max_conections", "canary"),
            ("quota_gold", "1,2,3,canary"),
        ] {
            let built = Config::builder().set(name, value).and_then(super::ConfigBuilder::build);
            let error = built.unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_wait_for_locks_without_limit_is_refused() {
        let error = Config::builder().set("lock_timeout_seconds", 0).unwrap().build().unwrap_err().to_string();
        assert!(error.contains("lock_timeout_seconds") && error.contains("from 1 to 86400"), "{error}");
    }

    #[test]
    fn a_malformed_file_is_told_by_line_and_column() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "max_connections = 3\n\nfingerprint = canary\n").unwrap();
        let error = Config::builder().file(file.path()).err().unwrap().to_string();
        assert!(error.contains("line 3, column 15: ") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn the_shown_default_of_a_quota_is_the_default() {
        let mut shown = Config::builder();
        for setting in Config::new("sqlite::memory:").unwrap().settings() {
            if setting.name.starts_with("quota_") {
                shown = shown.set(&setting.name, setting.value).unwrap();
            }
        }
        assert_eq!(shown.build().unwrap().quotas, super::Quotas::default());
    }

    #[test]
    fn a_later_source_goes_over_an_earlier_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "max_connections = 3\nlock_timeout_seconds = 7\n").unwrap();
        let config = Config::builder().file(file.path()).unwrap().set("max_connections", 4).unwrap().build().unwrap();
        let of = |name| config.settings().into_iter().find(|setting| setting.name == name).unwrap();

        assert_eq!((of("max_connections").value.as_str(), of("max_connections").origin), ("4", Origin::Code));
        assert_eq!((of("lock_timeout_seconds").value.as_str(), of("lock_timeout_seconds").origin), ("7", Origin::File));
        assert_eq!(of("database_url").origin, Origin::Default);
    }

    #[test]
    fn a_file_of_settings_names_files_from_its_own_folder_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rylie.toml");
        let text = "keyring = 'keys/ring.json'\naudit_key = '/run/audit.key'\naudit_checkpoints = 's3://bucket/of'\n\
                    database_url = 'sqlite://file.db'\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::builder().file(&file).unwrap().build().unwrap();

        assert_eq!(config.keyring().unwrap(), folder.path().join("keys/ring.json"));
        assert_eq!(config.audit_key().unwrap(), std::path::Path::new("/run/audit.key"));
        assert_eq!((config.audit_checkpoints(), config.database_url()), (Some("s3://bucket/of"), "sqlite://file.db"));
        let by_code = Config::builder().file(&file).unwrap().set("keyring", "ring.json").unwrap().build().unwrap();
        assert_eq!(by_code.keyring().unwrap(), std::path::Path::new("ring.json"));
    }
}
