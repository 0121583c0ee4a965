//! Plants secrets everywhere, and searches all output for them. The output consists of detailed logs, errors with their
//! causes, audit records, exports, settings, panics, and `Debug` and JSON of all types that hold a secret.
//!
//! The server's own log is not searched: with `log_statement = 'all'` or a slow statement it contains bound values,
//! which this project cannot prevent. Values of sealed columns are ciphertexts there. Plain ones are those of columns
//! that write `compat`, and an API key that is looked up while `User.apiKey` accepts `plain`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod heard;

use std::error::Error as StdError;
use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use rylie_db::crypto::{KeyFile, Keyring, LegacyKey};
use rylie_db::maintenance::{key_report, reencrypt};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Keys, NewAccount, NewGa4Connection, NewSearchConsoleConnection};
use rylie_testkit::{TestUser, World};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use heard::Heard;

const ENCRYPTION_KEY: &str = "canary-encryption-key-of-the-old-service";
/// Distinct values, so that a finding names its source.
const CANARIES: [&str; 7] = [
    "canary-access",
    "canary-refresh",
    "canary-id-token",
    "canary-plain-api-key",
    ENCRYPTION_KEY,
    "canary-password",
    "canary-tampered",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_on_either_engine() {
    let heard = Heard::listen();
    for world in [World::sqlite().await.unwrap(), World::postgres().await.unwrap()] {
        tracing::trace!("the test listens");
        let mut said = Said::default();
        let mut canaries: Vec<String> = CANARIES.map(str::to_owned).to_vec();
        canaries.extend(keys_of(&world));

        canaries.push(use_everything(&world, &mut said).await);
        break_everything(&world, &mut said).await;
        settings(&world, &mut said);

        let log = heard.take();
        assert!(log.contains("the test listens") && log.contains("sqlx"), "the log was as talkative as can be");
        assert!(said.0.len() > 40, "{} things were said", said.0.len());
        for canary in &canaries {
            assert!(!log.contains(canary.as_str()), "the log holds a canary:\n{}", around(&log, canary));
            let reported = said.0.iter().find(|text| text.contains(canary.as_str()));
            assert!(reported.is_none(), "{reported:?} holds a canary");
        }
    }
}

/// The collected output.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn shows<T: Debug + ?Sized>(&mut self, value: &T) {
        self.0.push(format!("{value:?} {value:#?}"));
    }

    fn shows_also_as_json<T: Debug + Serialize>(&mut self, value: &T) {
        self.shows(value);
        self.0.push(serde_json::json!(value).to_string());
    }

    /// Adds an error in every form, with all its causes. Asserts that it occurred.
    #[track_caller]
    fn fails<T>(&mut self, outcome: Result<T, impl StdError>) {
        let Err(error) = outcome else { panic!("it was to fail") };
        self.shows(&error);
        let mut next: Option<&dyn StdError> = Some(&error);
        while let Some(cause) = next {
            self.0.push(format!("{cause} {cause:?}"));
            next = cause.source();
        }
    }
}

fn ga4() -> NewGa4Connection {
    NewGa4Connection {
        user: None,
        access_token: "canary-access".into(),
        refresh_token: Some("canary-refresh".into()),
        expires: None,
        property_id: None,
        property_name: None,
    }
}

fn account(user: &UserId) -> NewAccount {
    NewAccount {
        user: user.clone(),
        kind: "oauth".into(),
        provider: "google".into(),
        provider_account: "1".into(),
        refresh_token: Some("canary-refresh".into()),
        access_token: Some("canary-access".into()),
        id_token: Some("canary-id-token".into()),
        expires_at: None,
        scope: None,
    }
}

/// Returns the keys in the keyring's file, as written there.
fn keys_of(world: &World) -> Vec<String> {
    let ring: serde_json::Value = serde_json::from_slice(&std::fs::read(world.keyring()).unwrap()).unwrap();
    ring["keys"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect()
}

fn config(world: &World) -> rylie_db::ConfigBuilder {
    let config = Config::builder().set("database_url", world.url()).unwrap();
    config.set("keyring", world.keyring().display()).unwrap().set("encryption_key", ENCRYPTION_KEY).unwrap()
}

/// Runs every successful operation on a secret. Returns one more canary: the API key.
async fn use_everything(world: &World, said: &mut Said) -> String {
    let database = Database::connect(config(world).build().unwrap()).await.unwrap();
    let user = world.user().build().await.unwrap();
    let me = user.user.id.clone();
    said.shows(&ga4());
    said.shows(&account(&me));
    said.shows(&database);
    said.shows(&Keys::new(Keyring::generate().unwrap(), LegacyKey::new(&ENCRYPTION_KEY.into()).ok()));
    said.shows(&KeyFile::new(world.keyring()));
    said.shows(&user.scope());

    let unit = database.store().tenant(&user.scope()).await.unwrap();
    said.shows_also_as_json(&unit.ga4_connections().save(ga4()).await.unwrap());
    let site = NewSearchConsoleConnection::new("canary-access".into());
    said.shows(&site);
    said.shows_also_as_json(&unit.search_console_connections().save(site).await.unwrap());
    said.shows(&unit.ga4_connections().open_tokens(&me).await.unwrap());
    let key = unit.api_keys().issue(&me).await.unwrap();
    said.shows(&key);
    said.shows_also_as_json(&unit.users().get(&me).await.unwrap());
    unit.commit().await.unwrap();

    let identity = database.store().identity().await.unwrap();
    said.shows_also_as_json(&identity.accounts().link(account(&me)).await.unwrap());
    said.shows(&identity.api_keys().signed_in(&key).await.unwrap());
    said.shows(&identity.api_keys().signed_in(&"canary-plain-api-key".into()).await.unwrap());
    identity.commit().await.unwrap();

    KeyFile::new(world.keyring()).update(Keyring::rotate).unwrap();
    said.shows_also_as_json(&reencrypt(&*database.store(), 1, &Progress::none()).await.unwrap());
    said.shows_also_as_json(&key_report(&*database.store(), &Progress::none()).await.unwrap());
    let unit = world.platform().await.unwrap();
    let records = unit.audit().list(AuditFilter::default(), PageRequest::default()).await.unwrap();
    assert!(records.items.len() > 5);
    said.shows_also_as_json(&records.items);
    drop(unit);

    // The export: the whole tenant, with its secrets sealed.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenant.jsonl");
    let rows = database.export_tenant(user.scope().tenant(), &file, None, &Progress::none()).await.unwrap();
    said.shows(&rows);
    let exported = std::fs::read_to_string(&file).unwrap();
    assert!(exported.contains("rylie1."), "the export has the secrets' rows");
    said.0.push(exported);

    let panic = std::panic::catch_unwind(|| panic!("{:?} {:?}", ga4(), key)).unwrap_err();
    said.0.push(panic.downcast_ref::<String>().unwrap().clone());
    key.expose().clone()
}

/// Runs each failing operation that handles a secret.
async fn break_everything(world: &World, said: &mut Said) {
    let user = world.user().build().await.unwrap();
    let me = user.user.id.clone();
    let database = Database::connect(config(world).build().unwrap()).await.unwrap();
    let unit = database.store().tenant(&user.scope()).await.unwrap();
    unit.ga4_connections().save(ga4()).await.unwrap();
    unit.commit().await.unwrap();

    // The account belongs to another user.
    let identity = database.store().identity().await.unwrap();
    said.fails(identity.accounts().link(account(&me)).await);
    drop(identity);

    // Two users with the same plain-text key, as the old service would store it.
    let plain = format!(r#"UPDATE "User" SET "apiKey" = 'canary-plain-api-key' WHERE "id" = '{me}'"#);
    raw(world, &plain).await.unwrap();
    let identity = database.store().identity().await.unwrap();
    assert!(identity.api_keys().signed_in(&"canary-plain-api-key".into()).await.unwrap().is_some());
    drop(identity);

    wrong_key(world, &user, said).await;
    tampered(world, &user, said).await;
    // SQLite has no such limit, and no sessions that another session can end.
    if world.is_postgres() {
        out_of_time(world, &user, said).await;
    }
    unreachable(world, said).await;
    said.fails(LegacyKey::new(&"canary-password".into()));
    said.fails(Keyring::parse(r#"{"version":1,"keys":[{"id":"k","state":"active","key":"canary-password"}]}"#));
    said.fails(Keyring::parse("canary-password"));
}

async fn wrong_key(world: &World, user: &TestUser<'_>, said: &mut Said) {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.json");
    KeyFile::new(&other).create(&Keyring::generate().unwrap()).unwrap();
    let stranger = Config::builder().set("database_url", world.url()).unwrap().set("keyring", other.display()).unwrap();
    let stranger = Database::connect(stranger.build().unwrap()).await.unwrap();
    let unit = stranger.store().tenant(&user.scope()).await.unwrap();
    said.fails(unit.ga4_connections().open_tokens(&user.user.id).await);
    drop(unit);
    said.shows_also_as_json(&reencrypt(&*stranger.store(), 10, &Progress::none()).await.unwrap());
}

async fn tampered(world: &World, user: &TestUser<'_>, said: &mut Said) {
    let me = &user.user.id;
    for value in ["rylie1.canary-tampered", "00112233445566778899aabbccddeeff:canary-tampered"] {
        raw(world, &format!(r#"UPDATE "GA4Connection" SET "accessToken" = '{value}' WHERE "userId" = '{me}'"#))
            .await
            .unwrap();
        let unit = user.unit().await.unwrap();
        said.fails(unit.ga4_connections().open_tokens(me).await);
        drop(unit);
        said.shows_also_as_json(&reencrypt(&*world.store(), 10, &Progress::none()).await.unwrap());
    }
}

/// Another session locks the row, so that saving it ends in a time limit, or with the connection.
async fn out_of_time(world: &World, user: &TestUser<'_>, said: &mut Said) {
    let mut other = sqlx::PgConnection::connect(world.url()).await.unwrap();
    let lock = format!(r#"BEGIN; SELECT 1 FROM "GA4Connection" WHERE "userId" = '{}' FOR UPDATE"#, user.user.id);
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
    let unit = world.store().tenant(&user.scope()).statement_timeout(Duration::from_millis(50)).await.unwrap();
    said.fails(unit.ga4_connections().save(ga4()).await);
    drop(unit);
    let hurried = [("statement_timeout_seconds", "1")];
    let hurried = world.connect_with_settings(&hurried).await.unwrap();
    said.fails(hurried.store().save_ga4_connection(&user.scope(), ga4()).await);

    let unit = user.unit().await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid <> pg_backend_pid() AND datname = current_database() AND state = 'idle in transaction' AND query NOT LIKE '%FOR UPDATE%'";
    sqlx::raw_sql(end).execute(&mut other).await.unwrap();
    said.fails(unit.ga4_connections().save(ga4()).await);
}

async fn unreachable(world: &World, said: &mut Said) {
    for url in ["postgres://me:canary-password@127.0.0.1:1/db", "mysql://me:canary-password@host/db"] {
        let config = config(world).set("database_url", url).unwrap().set("acquire_timeout_seconds", 1).unwrap();
        said.fails(Database::connect(config.build().unwrap()).await);
    }
}

fn settings(world: &World, said: &mut Said) {
    let config = config(world).set("database_url", "postgres://me:canary-password@host/db").unwrap().build().unwrap();
    said.shows(&config);
    said.shows_also_as_json(&config.settings());
    for (name, value) in [
        ("secrets.writes", "canary-password"),
        ("secrets.accepts", "canary-password"),
        ("secrets.padding", "canary-password"),
    ] {
        said.fails(Config::builder().set(name, value).unwrap().build());
    }
}

/// Runs SQL like another program. Its driver logs nothing, because those logs are not this project's.
async fn raw(world: &World, sql: &str) -> sqlx::Result<()> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if world.url().starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(world.url())?.disable_statement_logging();
        sql.execute(&mut options.connect().await?).await.map(drop)
    } else {
        let options = PgConnectOptions::from_str(world.url())?.disable_statement_logging();
        sql.execute(&mut options.connect().await?).await.map(drop)
    }
}

fn around(log: &str, canary: &str) -> String {
    log.lines().filter(|line| line.contains(canary)).take(3).collect::<Vec<_>>().join("\n")
}
