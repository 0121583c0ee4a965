//! Configuration: code over environment over `rylie.toml` over defaults.
//!
//! This file is long because the settings and their builder share names and checks.

mod application;
mod doctor;
mod maintenance;
mod pitr;
mod reader;
mod replicas;
mod schedule;
mod secrets;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_crypto::Secret;
use rylie_repositories::{ConnectionError, Pool, PoolOptions, Quotas, SecretPolicies};

use crate::error::{Error, Result};
use crate::schema::Schema;

use doctor::DoctorSettings;
pub(crate) use maintenance::Maintenance;
pub(crate) use pitr::PitrSettings;
use reader::{Reader, wrong};
pub(crate) use replicas::ReplicaSettings;
use schedule::Schedules;
pub use settings::{Setting, SettingOrigin};
use settings::{SettingSpec, masked, without_password};

/// The file that [`Config::load`] reads, in the working directory.
const FILE: &str = "rylie.toml";

/// The prefix of all environment variables except `DATABASE_URL` and `ENCRYPTION_KEY`.
const VARIABLE_PREFIX: &str = "RYLIE_";

/// Variables that are no settings: of the command line, and of tests.
const OTHER_VARIABLES: [&str; 2] = ["RYLIE_ATTACK_SEED", "RYLIE_SEED"];

fn is_of_others(variable: &str) -> bool {
    variable.starts_with("RYLIE_TEST_") || OTHER_VARIABLES.contains(&variable)
}

/// Returns all settings in display order.
fn all() -> impl Iterator<Item = &'static SettingSpec> {
    settings::KNOWN.iter().chain(&secrets::KNOWN)
}

/// The address of the database, the keys and all other settings. `Debug` shows no secret.
#[derive(Clone)]
pub struct Config {
    values: Values,
    pub(crate) url: String,
    application: String,
    pub(crate) platform_url: Option<String>,
    pub(crate) backup_url: Option<String>,
    pub(crate) backup_scratch_url: Option<String>,
    pub(crate) backups: Option<String>,
    pub(crate) pitr: PitrSettings,
    pub(crate) pool: PoolOptions,
    pub(crate) replicas: ReplicaSettings,
    pub(crate) fingerprint: Option<String>,
    pub(crate) keyring: Option<PathBuf>,
    pub(crate) encryption_key: Option<String>,
    pub(crate) secrets: SecretPolicies,
    pub(crate) quotas: Quotas,
    pub(crate) maintenance: Maintenance,
    pub(crate) schedules: Schedules,
    pub(crate) schema: Schema,
    pub(crate) doctor: DoctorSettings,
}

type Values = BTreeMap<&'static str, (String, SettingOrigin)>;

impl Config {
    /// Uses the database at `url` and defaults for the rest: `postgres://user@host/db` or `sqlite://file.db?mode=rwc`.
    /// Fails with [`Error::Config`] as [`build`](ConfigBuilder::build) does.
    pub fn new(url: &str) -> Result<Self> {
        ConfigBuilder::default().set("database_url", url)?.build()
    }

    /// Reads the environment over the file `rylie.toml` in the working directory, if it exists, over the defaults. The
    /// default database is `sqlite://rylie.db?mode=rwc`. Fails with [`Error::Config`] as the steps of [`ConfigBuilder`]
    /// do.
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

    /// Adds a service's own tables. Fails with [`Error::Config`] for a table of the platform, a table that is listed
    /// twice, and a migration whose name does not begin with `own_m`.
    pub fn with(self, schema: Schema) -> Result<Self> {
        Ok(Self { schema: schema.checked()?, ..self })
    }

    /// Returns the service's own tables.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the address of the database, password included.
    #[must_use]
    pub fn database_url(&self) -> &str {
        application::without_name(&self.url, &self.application)
    }

    /// Returns the database in words: host, port, database and login, or the SQLite file. Never the password. Reads no
    /// database. Fails with [`Error::Connect`] for a malformed URL.
    pub fn target(&self) -> Result<String> {
        Self::target_of(&self.url)
    }

    /// As [`target`](Self::target), for another URL.
    pub fn target_of(url: &str) -> Result<String> {
        let failed = |source: ConnectionError| Error::Connect { url: without_password(url), source: source.into() };
        Pool::target(url).map_err(failed)
    }

    /// Returns whether no setting names a database, so that the default SQLite file is used.
    #[must_use]
    pub fn is_default_database(&self) -> bool {
        !self.values.contains_key("database_url")
    }

    /// Returns the URL with the `application_name` of this configuration.
    pub(crate) fn named(&self, url: &str) -> String {
        application::named(url, &self.application)
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
                None => (known.default.to_owned(), SettingOrigin::Default),
            };
            Setting { name: known.name.to_owned(), value, origin }
        });
        shown.chain(self.schedules.settings()).chain(self.doctor.settings()).collect()
    }

    fn of(values: Values, schedules: Schedules, doctor: DoctorSettings, application: Option<&str>) -> Result<Self> {
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
        let application = application::read(&read, application)?;
        let other_url = |name| -> Result<_> {
            Ok(postgres_url(&read, name, url)?.map(|url| application::named(&url, &application)))
        };
        let mut replicas = replicas::read(&read, url)?;
        for url in &mut replicas.urls {
            *url = application::named(url, &application);
        }
        Ok(Self {
            quotas,
            url: application::named(&shared_if_in_memory(url), &application),
            platform_url: other_url("platform_url")?,
            backup_url: other_url("backup_url")?,
            backup_scratch_url: other_url("backup_scratch_url")?,
            application,
            backups: read.text("backups").map(str::to_owned),
            pitr: pitr::read(&read, url)?,
            pool,
            replicas,
            fingerprint: read.text("fingerprint").map(str::to_owned),
            keyring: read.text("keyring").map(PathBuf::from),
            encryption_key: read.text("encryption_key").map(str::to_owned),
            secrets: secrets::read(&read)?,
            maintenance: maintenance::read(&read)?,
            schedules,
            schema: Schema::new(),
            doctor,
            values,
        })
    }

    /// Returns the address for platform and operations units and jobs: the setting `platform_url`, or `database_url`.
    #[must_use]
    pub fn platform_url(&self) -> &str {
        self.platform_url.as_deref().unwrap_or(&self.url)
    }

    /// Returns the address for backups, if the setting `backup_url` names one.
    #[must_use]
    pub fn backup_url(&self) -> Option<&str> {
        self.backup_url.as_deref()
    }

    pub(crate) fn shown_platform_url(&self) -> String {
        without_password(application::without_name(self.platform_url(), &self.application))
    }

    pub(crate) fn shown_url(&self) -> String {
        without_password(self.database_url())
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
    doctor: DoctorSettings,
    application: Option<String>,
}

impl ConfigBuilder {
    /// Reads a TOML file. Relative file names in it are resolved against its folder, not the working directory. The
    /// address of a SQLite database is a URL and is not resolved. Fails with [`Error::Config`] if the file cannot be
    /// read or names a setting that does not exist.
    pub fn file(mut self, path: &Path) -> Result<Self> {
        let unreadable = |reason: String| Error::Config { setting: format!("file {}", path.display()), reason };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(format!("it cannot be read: {error}")))?;
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
                Ok(value) if !value.is_empty() => self.put(known.name, value, SettingOrigin::Environment)?,
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

    /// Sets one setting by its name in the file, over every other source. Fails with [`Error::Config`] for a setting
    /// that does not exist.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`set(\"max_connections\", 4)` reads better than with a reference"
    )]
    pub fn set(mut self, name: &str, value: impl ToString) -> Result<Self> {
        self.put(name, value.to_string(), SettingOrigin::Code)?;
        Ok(self)
    }

    /// Names the sessions of this program, over the setting `application_name`. A URL that has a name keeps it.
    pub fn application_name(self, name: &str) -> Self {
        Self { application: Some(name.to_owned()), ..self }
    }

    /// Checks every value. Fails with [`Error::Config`], which names the first wrong one.
    pub fn build(self) -> Result<Config> {
        Config::of(self.values, self.schedules, self.doctor, self.application.as_deref())
    }

    /// Stores the values of a file. Values in a table have the table's name as a prefix.
    fn put_from_file(&mut self, folder: &Path, name: &str, value: toml::Value) -> Result<()> {
        let text = match value {
            toml::Value::String(text) => within(folder, name, text)?,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Array(items) => within(folder, name, list(name, &items)?)?,
            toml::Value::Table(table) => {
                let mut inner = table.into_iter();
                return inner
                    .try_for_each(|(inner, value)| self.put_from_file(folder, &format!("{name}.{inner}"), value));
            }
            toml::Value::Datetime(_) => {
                return Err(wrong(name, "it must be text, a number, true, false or a list of texts".to_owned()));
            }
        };
        self.put(name, text, SettingOrigin::File)
    }

    fn put(&mut self, name: &str, value: String, origin: SettingOrigin) -> Result<()> {
        if let Some(of_job) = name.strip_prefix(schedule::PREFIX) {
            return self.schedules.put(of_job, value, origin);
        }
        if let Some(threshold) = name.strip_prefix(doctor::PREFIX) {
            return self.doctor.put(threshold, value, origin);
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
fn postgres_url(read: &Reader<'_>, name: &str, database_url: &str) -> Result<Option<String>> {
    let Some(url) = read.text(name) else { return Ok(None) };
    let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
    if is_postgres(url) && is_postgres(database_url) {
        return Ok(Some(url.to_owned()));
    }
    Err(wrong(name, "it needs PostgreSQL: both URLs must begin with postgres://".to_owned()))
}

/// Resolves a file name, or each of a list, against the folder of the settings file. Addresses, as of object storage,
/// stay unchanged.
fn within(folder: &Path, name: &str, text: String) -> Result<String> {
    let Some(known) = all().find(|known| known.name == name && known.is_file) else { return Ok(text) };
    if known.is_list && text != "none" {
        let resolved: Result<Vec<_>> = text.split(',').map(|one| resolve(folder, name, one.trim())).collect();
        return Ok(resolved?.join(", "));
    }
    if known.is_list { Ok(text) } else { resolve(folder, name, &text) }
}

fn resolve(folder: &Path, name: &str, text: &str) -> Result<String> {
    if text.is_empty() || text.contains("://") {
        return Ok(text.to_owned());
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

#[cfg(test)]
mod tests;
