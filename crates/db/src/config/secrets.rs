//! Policies of secret columns: settings for all columns, and for each one.

use std::num::NonZeroU16;

use rylie_crypto::{LegacyForms, Padding, Writes};
use rylie_repositories::{NewValues, SecretColumn, SecretPolicies, SecretPolicy};

use super::settings::{SettingSpec, known};
use super::{Reader, wrong};
use crate::error::Result;

/// The prefix of these variables. An unknown variable with it is an error.
#[cfg(test)]
const VARIABLE_PREFIX: &str = "RYLIE_SECRETS_";

const WRITES: &str = "secrets.writes";
const ACCEPTS: &str = "secrets.accepts";
const PADDING: &str = "secrets.padding";

/// The settings for all columns, then those of each column, which default to the former.
macro_rules! settings {
    ($($column:literal in $variable:literal,)+) => {
        [
            known(WRITES, "RYLIE_SECRETS_WRITES", "auto"),
            known(ACCEPTS, "RYLIE_SECRETS_ACCEPTS", "cbc, gcm, plain"),
            known(PADDING, "RYLIE_SECRETS_PADDING", "none"),
            $(
                known(concat!("secrets.", $column, ".writes"), concat!("RYLIE_SECRETS_", $variable, "_WRITES"), "auto")
                    .following(WRITES),
                known(
                    concat!("secrets.", $column, ".accepts"),
                    concat!("RYLIE_SECRETS_", $variable, "_ACCEPTS"),
                    "cbc, gcm, plain",
                )
                .following(ACCEPTS),
            )+
        ]
    };
}

pub(super) const KNOWN: [SettingSpec; 3 + 2 * SecretColumn::ALL.len()] = settings! {
    "GA4Connection.accessToken" in "GA4CONNECTION_ACCESSTOKEN",
    "GA4Connection.refreshToken" in "GA4CONNECTION_REFRESHTOKEN",
    "SearchConsoleConnection.accessToken" in "SEARCHCONSOLECONNECTION_ACCESSTOKEN",
    "SearchConsoleConnection.refreshToken" in "SEARCHCONSOLECONNECTION_REFRESHTOKEN",
    "Account.access_token" in "ACCOUNT_ACCESS_TOKEN",
    "Account.refresh_token" in "ACCOUNT_REFRESH_TOKEN",
    "Account.id_token" in "ACCOUNT_ID_TOKEN",
    "User.apiKey" in "USER_APIKEY",
};

/// Reads the policy of every secret column. Contradictions are refused: `compat` in a form that is not accepted, and
/// `compat` without the key that it needs, if there is a keyring.
pub(super) fn read(read: &Reader<'_>) -> Result<SecretPolicies> {
    let padding = read.text(PADDING).map_or(Ok(Padding::None), |text| padding(PADDING, text))?;
    let keys = (read.text("keyring").is_some(), read.text("encryption_key").is_some());
    let mut policies = SecretPolicies::default();
    for column in SecretColumn::ALL {
        let (writes, accepts) = (format!("secrets.{column}.writes"), format!("secrets.{column}.accepts"));
        let default = SecretPolicy::default();
        let policy = SecretPolicy {
            writes: own_or(read, &writes, WRITES).map_or(Ok(default.writes), |(name, text)| new_values(name, text))?,
            accepts: own_or(read, &accepts, ACCEPTS).map_or(Ok(default.accepts), |(name, text)| forms(name, text))?,
            padding,
        };
        if policy.writes == NewValues::Compat {
            check_compat(&writes, column, policy.accepts, keys)?;
        }
        policies.set(column, policy);
    }
    Ok(policies)
}

fn own_or<'r>(read: &'r Reader<'_>, own: &'r str, all: &'r str) -> Option<(&'r str, &'r str)> {
    [own, all].into_iter().find_map(|name| read.text(name).map(|text| (name, text)))
}

fn check_compat(name: &str, column: SecretColumn, accepts: LegacyForms, keys: (bool, bool)) -> Result<()> {
    let (form, accepted) = match column.compat() {
        Writes::Compat => ("gcm", accepts.gcm),
        _ => ("plain", accepts.plain),
    };
    if !accepted {
        return Err(wrong(name, format!("compat writes {form} in this column; accept {form} as well")));
    }
    if form == "gcm" && keys == (true, false) {
        return Err(wrong(name, "compat writes with the old service's key; set ENCRYPTION_KEY".to_owned()));
    }
    Ok(())
}

fn new_values(name: &str, text: &str) -> Result<NewValues> {
    match text {
        "auto" => Ok(NewValues::Auto),
        "sealed" => Ok(NewValues::Sealed),
        "compat" => Ok(NewValues::Compat),
        _ => Err(wrong(name, "it must be auto, sealed or compat".to_owned())),
    }
}

fn forms(name: &str, text: &str) -> Result<LegacyForms> {
    let mut forms = LegacyForms::NONE;
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "none") {
        match word {
            "cbc" => forms.cbc = true,
            "gcm" => forms.gcm = true,
            "plain" => forms.plain = true,
            _ => return Err(wrong(name, "it must be none, or any of cbc, gcm and plain".to_owned())),
        }
    }
    Ok(forms)
}

fn padding(name: &str, text: &str) -> Result<Padding> {
    match text {
        "none" => Ok(Padding::None),
        "padme" => Ok(Padding::Padme),
        _ => text
            .parse::<NonZeroU16>()
            .map(Padding::Blocks)
            .map_err(|_| wrong(name, "it must be none, padme, or a block size from 1 to 65535 bytes".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, ConfigBuilder};

    fn from_file(text: &str) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        Config::builder().file(file.path()).and_then(ConfigBuilder::build)
    }

    fn shown(config: &Config, name: &str) -> String {
        config.settings().into_iter().find(|setting| setting.name == name).unwrap().value
    }

    #[test]
    fn every_secret_column_has_its_two_settings() {
        for column in SecretColumn::ALL {
            let variable = column.name().replace('.', "_").to_uppercase();
            for what in ["writes", "accepts"] {
                let name = format!("secrets.{column}.{what}");
                let known = KNOWN.iter().find(|known| known.name == name).unwrap();
                assert_eq!(known.variable, format!("{VARIABLE_PREFIX}{variable}_{}", what.to_uppercase()));
            }
        }
    }

    #[test]
    fn a_column_goes_its_own_way_and_the_others_follow() {
        let config = from_file(
            "[secrets]\nwrites = 'compat'\naccepts = ['gcm', 'plain']\npadding = 64\n\
             [secrets.\"User.apiKey\"]\nwrites = 'sealed'\naccepts = []\n",
        )
        .unwrap();

        let of = |column| config.secrets.of(column);
        assert_eq!(of(SecretColumn::UserApiKey).writes, NewValues::Sealed);
        assert_eq!(of(SecretColumn::UserApiKey).accepts, LegacyForms::NONE);
        assert_eq!(of(SecretColumn::Ga4AccessToken).writes, NewValues::Compat);
        assert_eq!(of(SecretColumn::Ga4AccessToken).accepts, LegacyForms { cbc: false, gcm: true, plain: true });
        assert_eq!(of(SecretColumn::Ga4AccessToken).padding, Padding::Blocks(NonZeroU16::new(64).unwrap()));
        assert_eq!(shown(&config, "secrets.User.apiKey.writes"), "sealed");
        assert_eq!(shown(&config, "secrets.User.apiKey.accepts"), "none");
        assert_eq!(shown(&config, "secrets.Account.id_token.writes"), "compat");
    }

    #[test]
    fn what_does_not_exist_is_refused_by_name() {
        for (text, said) in [
            ("[secrets.\"User.apikey\"]\nwrites = 'sealed'\n", "secrets.User.apikey.writes"),
            ("[secrets.\"User.apiKey\"]\nwrite = 'sealed'\n", "secrets.User.apiKey.write"),
            ("[secrets]\nwrites = 'sealde'\n", "secrets.writes"),
            ("[secrets.\"User.apiKey\"]\naccepts = ['ecb']\n", "secrets.User.apiKey.accepts"),
            ("[secrets]\npadding = 'much'\n", "secrets.padding"),
            ("[secrets]\naccepts = [1]\n", "secrets.accepts"),
            ("secrets = 'sealed'\n", "secrets"),
        ] {
            let error = from_file(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_policy_that_contradicts_itself_is_refused() {
        for text in [
            "[secrets]\nwrites = 'compat'\naccepts = ['plain']\n",
            "[secrets.\"Account.id_token\"]\nwrites = 'compat'\naccepts = []\n",
            "keyring = 'k.json'\n[secrets]\nwrites = 'compat'\n",
        ] {
            assert!(from_file(text).is_err(), "{text}");
        }
    }
}
