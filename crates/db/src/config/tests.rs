use super::{Config, SettingOrigin};

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
fn a_malformed_file_is_reported_by_line_and_column() {
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

    assert_eq!((of("max_connections").value.as_str(), of("max_connections").origin), ("4", SettingOrigin::Code));
    assert_eq!(
        (of("lock_timeout_seconds").value.as_str(), of("lock_timeout_seconds").origin),
        ("7", SettingOrigin::File)
    );
    assert_eq!(of("database_url").origin, SettingOrigin::Default);
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
