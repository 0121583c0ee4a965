//! The list of all settings, and how their values are shown.

use std::fmt;

use serde::Serialize;

/// The source of a setting's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingOrigin {
    /// The built-in default.
    Default,
    /// The file `rylie.toml`.
    File,
    /// An environment variable.
    Environment,
    /// The program: a command-line flag or a builder call.
    #[serde(rename = "flag")]
    Code,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Code => "flag",
        })
    }
}

/// A setting for display, secrets masked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Setting {
    /// Its name in `rylie.toml`.
    pub name: String,
    /// Its value, masked if it is a secret.
    pub value: String,
    /// The source of the value.
    pub origin: SettingOrigin,
}

pub(super) struct SettingSpec {
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    pub(super) default: &'static str,
    shown: Shown,
    /// Whether it names a file. In `rylie.toml` the name is relative to that file's folder.
    pub(super) is_file: bool,
    /// Whether it is a list of such names, separated by commas.
    pub(super) is_list: bool,
    /// The setting that provides the value if this one has none.
    pub(super) follows: Option<&'static str>,
}

enum Shown {
    Whole,
    /// A URL without its password.
    WithoutPassword,
    /// A list of URLs without their passwords.
    WithoutPasswords,
    Never,
}

pub(super) const fn known(name: &'static str, variable: &'static str, default: &'static str) -> SettingSpec {
    SettingSpec { name, variable, default, shown: Shown::Whole, is_file: false, is_list: false, follows: None }
}

impl SettingSpec {
    pub(super) const fn following(self, name: &'static str) -> Self {
        Self { follows: Some(name), ..self }
    }

    const fn file(self) -> Self {
        Self { is_file: true, ..self }
    }

    const fn files(self) -> Self {
        Self { is_file: true, is_list: true, ..self }
    }
}

/// The settings except those of secret columns.
pub(super) const KNOWN: [SettingSpec; 43] = [
    SettingSpec {
        shown: Shown::WithoutPassword,
        ..known("database_url", "DATABASE_URL", "sqlite://rylie.db?mode=rwc")
    },
    SettingSpec { shown: Shown::WithoutPassword, ..known("platform_url", "RYLIE_PLATFORM_URL", "") },
    SettingSpec { shown: Shown::WithoutPasswords, ..known("replica_urls", "RYLIE_REPLICA_URLS", "") },
    known("replica_max_lag_seconds", "RYLIE_REPLICA_MAX_LAG_SECONDS", "5"),
    known("max_connections", "RYLIE_MAX_CONNECTIONS", "10"),
    known("acquire_timeout_seconds", "RYLIE_ACQUIRE_TIMEOUT_SECONDS", "5"),
    known("statement_timeout_seconds", "RYLIE_STATEMENT_TIMEOUT_SECONDS", "30"),
    known("lock_timeout_seconds", "RYLIE_LOCK_TIMEOUT_SECONDS", "5"),
    known("network_timeout_seconds", "RYLIE_NETWORK_TIMEOUT_SECONDS", "5"),
    known("behind_pooler", "RYLIE_BEHIND_POOLER", "false"),
    known("application_name", "RYLIE_APPLICATION_NAME", "rylie/<program>"),
    known("fingerprint", "RYLIE_FINGERPRINT", ""),
    known("keyring", "RYLIE_KEYRING", "").file(),
    known("quota_silver", "RYLIE_QUOTA_SILVER", "3,3,8,8"),
    known("quota_gold", "RYLIE_QUOTA_GOLD", "5,5,12,10"),
    known("quota_platinum", "RYLIE_QUOTA_PLATINUM", "9,9,20,20"),
    SettingSpec { shown: Shown::Never, ..known("encryption_key", "ENCRYPTION_KEY", "") },
    known("purge_after_days", "RYLIE_PURGE_AFTER_DAYS", "30"),
    known("usage_events_after_days", "RYLIE_USAGE_EVENTS_AFTER_DAYS", "90"),
    known("audit_key", "RYLIE_AUDIT_KEY", "").file(),
    known("audit_public_key", "RYLIE_AUDIT_PUBLIC_KEY", ""),
    known("audit_checkpoints", "RYLIE_AUDIT_CHECKPOINTS", "").files(),
    known("audit_witnesses", "RYLIE_AUDIT_WITNESSES", ""),
    known("audit_witness_statements", "RYLIE_AUDIT_WITNESS_STATEMENTS", "").files(),
    known("audit_witnesses_required", "RYLIE_AUDIT_WITNESSES_REQUIRED", ""),
    known("audit_keep_days", "RYLIE_AUDIT_KEEP_DAYS", ""),
    known("backups", "RYLIE_BACKUPS", "").file(),
    SettingSpec { shown: Shown::WithoutPassword, ..known("backup_url", "RYLIE_BACKUP_URL", "") },
    SettingSpec { shown: Shown::WithoutPassword, ..known("backup_scratch_url", "RYLIE_BACKUP_SCRATCH_URL", "") },
    known("backup_encrypt", "RYLIE_BACKUP_ENCRYPT", ""),
    known("backup_identity", "RYLIE_BACKUP_IDENTITY", "").file(),
    known("backup_keep", "RYLIE_BACKUP_KEEP", ""),
    known("backup_alert_after_hours", "RYLIE_BACKUP_ALERT_AFTER_HOURS", "36"),
    known("pitr_folder", "RYLIE_PITR_FOLDER", "").file(),
    SettingSpec { shown: Shown::WithoutPassword, ..known("pitr_url", "RYLIE_PITR_URL", "") },
    known("pitr_slot", "RYLIE_PITR_SLOT", "rylie_pitr"),
    known("pitr_keep", "RYLIE_PITR_KEEP", ""),
    known("pitr_alert_after_seconds", "RYLIE_PITR_ALERT_AFTER_SECONDS", "30"),
    known("pitr_stanza", "RYLIE_PITR_STANZA", ""),
    known("size_alert_above", "RYLIE_SIZE_ALERT_ABOVE", ""),
    // The path of a webhook often contains its password.
    SettingSpec { shown: Shown::Never, ..known("size_notify", "RYLIE_SIZE_NOTIFY", "") },
    SettingSpec { shown: Shown::WithoutPassword, ..known("smtp_url", "RYLIE_SMTP_URL", "") },
    known("smtp_from", "RYLIE_SMTP_FROM", ""),
];

const MASK: &str = "***";

pub(super) fn masked(known: &SettingSpec, value: &str) -> String {
    match known.shown {
        Shown::Whole => value.to_owned(),
        Shown::WithoutPassword => without_password(value),
        Shown::WithoutPasswords => {
            value.split(',').map(|url| without_password(url.trim())).collect::<Vec<_>>().join(", ")
        }
        Shown::Never => MASK.to_owned(),
    }
}

/// Masks `user:password@` and every query parameter that may be a secret. Masks the whole text if it is not a URL or
/// its parts are ambiguous.
pub(super) fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if url.starts_with("sqlite:") => ("", url),
        None => return MASK.to_owned(),
    };
    if rest.split_once('?').is_some_and(|(_, query)| query.contains('@')) {
        return format!("{scheme}://{MASK}");
    }
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let address = match address.rsplit_once('@') {
        Some((login, place)) => format!("{}@{place}", masked_login(login)),
        None => address.to_owned(),
    };
    let query = query.map(masked_query).unwrap_or_default();
    if scheme.is_empty() { format!("{address}{query}") } else { format!("{scheme}://{address}{query}") }
}

fn masked_login(login: &str) -> String {
    login.split_once(':').map_or_else(|| login.to_owned(), |(user, _)| format!("{user}:{MASK}"))
}

fn masked_query(query: &str) -> String {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if !matches!(name, "mode" | "host" | "port" | "user" | "dbname" | "sslmode") => {
            format!("{name}={MASK}")
        }
        _ => part.to_owned(),
    });
    format!("?{}", parts.collect::<Vec<_>>().join("&"))
}
