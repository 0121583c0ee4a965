//! The list of the columns that hold secrets.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use rylie_crypto::{Lookup, Normalisation, Writes};
use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// A column that holds secrets. Policies, re-encryption and the key report use this list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SecretColumn {
    /// `GA4Connection.accessToken`
    Ga4AccessToken,
    /// `GA4Connection.refreshToken`
    Ga4RefreshToken,
    /// `SearchConsoleConnection.accessToken`
    SearchConsoleAccessToken,
    /// `SearchConsoleConnection.refreshToken`
    SearchConsoleRefreshToken,
    /// `Account.access_token`
    AccountAccessToken,
    /// `Account.refresh_token`
    AccountRefreshToken,
    /// `Account.id_token`
    AccountIdToken,
    /// `User.apiKey`, with the blind index `User.apiKeyIndex`
    UserApiKey,
    /// A column of a service's own table.
    Own(OwnSecret),
}

/// A column with secrets of a service's own table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OwnSecret {
    name: &'static str,
}

/// Names that own columns were given, each once: a column is `Copy`, and its name lives as long as the process.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl OwnSecret {
    fn new(table: &str, column: &str) -> Self {
        let name = format!("{table}.{column}");
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.get(name.as_str()).copied();
        let name = known.unwrap_or_else(|| name.leak());
        names.insert(name);
        Self { name }
    }
}

impl SecretColumn {
    /// All columns of the platform.
    pub const ALL: [Self; 8] = [
        Self::Ga4AccessToken,
        Self::Ga4RefreshToken,
        Self::SearchConsoleAccessToken,
        Self::SearchConsoleRefreshToken,
        Self::AccountAccessToken,
        Self::AccountRefreshToken,
        Self::AccountIdToken,
        Self::UserApiKey,
    ];

    /// Returns the columns of the platform, and those of every own table that a store of this process knows.
    #[must_use]
    pub fn known() -> Vec<Self> {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let own = names.iter().map(|name| Self::Own(OwnSecret { name }));
        Self::ALL.into_iter().chain(own).collect()
    }

    /// Returns a column of a service's own table.
    pub(crate) fn own(table: &str, column: &str) -> Self {
        Self::Own(OwnSecret::new(table, column))
    }

    /// Returns table and column as the database names them, separated by a dot.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ga4AccessToken => "GA4Connection.accessToken",
            Self::Ga4RefreshToken => "GA4Connection.refreshToken",
            Self::SearchConsoleAccessToken => "SearchConsoleConnection.accessToken",
            Self::SearchConsoleRefreshToken => "SearchConsoleConnection.refreshToken",
            Self::AccountAccessToken => "Account.access_token",
            Self::AccountRefreshToken => "Account.refresh_token",
            Self::AccountIdToken => "Account.id_token",
            Self::UserApiKey => "User.apiKey",
            Self::Own(own) => own.name,
        }
    }

    /// Returns the table's name.
    #[must_use]
    pub fn table(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// Returns the column's name within its table.
    #[must_use]
    pub fn column(self) -> &'static str {
        self.name().split('.').nth(1).unwrap_or_default()
    }

    /// Returns the column of its blind index, if it is looked up by value.
    #[must_use]
    pub fn index(self) -> Option<&'static str> {
        (self == Self::UserApiKey).then_some("apiKeyIndex")
    }

    /// Returns the column with the id of the secret's user.
    pub(crate) fn owner(self) -> &'static str {
        // The key of an own row is bound in place of a user: keys are unique, and the row's owner may change.
        if matches!(self, Self::UserApiKey | Self::Own(_)) { "id" } else { "userId" }
    }

    /// Returns the form in which the old service reads the column. It encrypts Google's tokens and nothing else.
    #[must_use]
    pub fn compat(self) -> Writes {
        match self {
            Self::Ga4AccessToken
            | Self::Ga4RefreshToken
            | Self::SearchConsoleAccessToken
            | Self::SearchConsoleRefreshToken => Writes::Compat,
            Self::AccountAccessToken | Self::AccountRefreshToken | Self::AccountIdToken | Self::UserApiKey => {
                Writes::Plain
            }
            Self::Own(_) => Writes::default(),
        }
    }

    /// Returns the blind index lookup of the column, which precedes a known tenant.
    pub(crate) fn lookup(self) -> Lookup<'static> {
        Lookup { table: self.table(), column: self.column(), tenant: None, normalisation: Normalisation::Exact }
    }
}

impl FromStr for SecretColumn {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = Error::Invalid { what: "the secret column", reason: "there is no secret column of this name" };
        Self::ALL.into_iter().find(|column| column.name() == name).ok_or(unknown)
    }
}

impl fmt::Display for SecretColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for SecretColumn {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}
