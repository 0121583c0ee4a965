//! The main workflow in one file: `cargo run --example quickstart`.
//!
//! It uses a new SQLite file, `target/quickstart.db`. With `DATABASE_URL=postgres://…` it uses that PostgreSQL
//! database, which should be empty and used for nothing else.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::entities::AgencyId;
use rylie_db::maintenance::{Seed, Sweep, close_usage};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, NewGa4Connection};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let clock = Arc::new(MovableClock::default());
    let database = Database::connect_with(config()?, clock.clone()).await?;

    title("1. Migrate and seed");
    let applied = database.migrate().await?;
    say(format!("{} migrations applied", applied.len()));
    let seeded = database.seed(&Seed::default()).await?;
    say(format!("{} rows seeded: the super admin and the default settings", seeded.created));
    let store = database.store();

    title("2. Two agencies, each with its administrator");
    let north = new_agency(&*store, &*clock, "North").await?;
    let south = new_agency(&*store, &*clock, "South").await?;
    // A scope comes from a signed-in user. No call returns a scope for "agency North".
    let ann = sign_in(&*store, &*clock, &north, "ann").await?;
    let bob = sign_in(&*store, &*clock, &south, "bob").await?;
    say(format!("ann reaches tenant {}, bob tenant {}", ann.tenant().as_str(), bob.tenant().as_str()));

    title("3. A request with its tasks, in one transaction");
    let unit = store.tenant(&ann).await?;
    let new = NewRequest::new("Pages about SUVs", RequestKind::Page);
    let tasks = vec![NewTask::new("Write the page", TaskType::Page), NewTask::new("Announce it", TaskType::GbpPost)];
    let made = unit.requests().add_with_tasks(new, tasks).await?;
    unit.audit().record(Event::new(Action::RequestCreated).on(&made.request.id)).await?;
    say(format!("request {} with {} tasks, in {} statements", made.request.id, made.tasks.len(), unit.statements()));
    unit.commit().await?;

    title("4. A list, page by page");
    let unit = store.tenant(&ann).await?;
    for number in 1..=5 {
        let new = NewRequest::new(format!("Blog post {number}"), RequestKind::Blog);
        unit.requests().add(new).await?;
    }
    unit.commit().await?;
    let unit = store.tenant(&ann).read_only().await?;
    for offset in [0, 3] {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::new(3, offset)).await?;
        let titles: Vec<_> = page.items.iter().map(|request| request.title.as_str()).collect();
        say(format!("from {offset} of {}: {}", page.total, titles.join(", ")));
    }
    drop(unit);

    title("5. Another agency sees none of it");
    let unit = store.tenant(&bob).await?;
    let theirs = unit.requests().list(RequestFilter::default(), PageRequest::default()).await?;
    say(format!("bob's list has {} requests", theirs.total));
    let found = unit.requests().find(&made.request.id).await?;
    say(format!("bob asks for ann's request by its id: {}", if found.is_none() { "not found" } else { "LEAKED" }));
    let refused = unit.requests().set_status(&made.request.id, RequestStatus::Cancelled).await;
    say(format!("bob cancels it: {}", refused.err().map_or("DONE".to_owned(), |error| error.to_string())));
    drop(unit);

    title("6. A token, sealed and opened");
    let unit = store.tenant(&ann).await?;
    let saved = unit.ga4_connections().save(token()).await?;
    say(format!("stored: {}…", &saved.access_token.stored()[..24]));
    let opened = unit.ga4_connections().open_tokens(ann.user().id()).await?;
    let same = opened.is_some_and(|tokens| tokens.access == Secret::from("ya29.example"));
    say(format!("opened again: {}", if same { "the same token" } else { "SOMETHING ELSE" }));
    unit.commit().await?;

    title("7. A role changes, and the change is recorded with it");
    let unit = store.tenant(&ann).await?;
    let carl = unit.users().add(NewUser { email: email(&*clock, "carl"), ..Default::default() }).await?;
    unit.users().set_role(&carl.id, UserRole::AgencyAdmin).await?;
    unit.commit().await?;
    let unit = store.tenant(&ann).read_only().await?;
    let of_carl = AuditFilter { resource_id: Some(carl.id.to_string()), ..Default::default() };
    for record in unit.audit().list(of_carl, PageRequest::default()).await?.items {
        say(format!("{} by {}: {}", record.action, record.user_id, record.details.unwrap_or_default()));
    }
    drop(unit);

    title("8. A month of usage is closed");
    let unit = store.tenant(&ann).await?;
    let me = ann.user().id().clone();
    for event in ["task-1", "task-2", "task-2"] {
        let used = unit.usage().use_page(&me, event).await?;
        say(format!(
            "{event}: {} of {} pages used{}",
            used.used,
            used.limit,
            if used.repeated { ", counted before" } else { "" }
        ));
    }
    unit.usage().use_blog(&me, "task-3").await?;
    unit.commit().await?;
    clock.forward(TimeDelta::days(32));
    let closed = close_usage(&*store, None, &Sweep::default()).await?;
    let again = close_usage(&*store, None, &Sweep::default()).await?;
    say(format!("{} billing periods closed; run again: {}", closed.users, again.users));
    let unit = store.tenant(&ann).read_only().await?;
    for month in unit.usage().list(Some(me), PageRequest::default()).await?.items {
        say(format!("{}-{:02}: {} pages, {} blog posts", month.year, month.month, month.pages_used, month.blogs_used));
    }
    drop(unit);

    println!("\nDone. The code is examples/quickstart.rs; ARCHITECTURE.md explains the kinds of units.");
    database.close().await;
    Ok(())
}

/// Configures the environment's database, or a new SQLite file, and a new keyring in the same folder.
fn config() -> Result<Config> {
    let folder = PathBuf::from(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target"));
    std::fs::create_dir_all(&folder)?;
    let keyring = folder.join("quickstart-keyring.json");
    let file = folder.join("quickstart.db");
    for old in [file.clone(), file.with_extension("db-shm"), file.with_extension("db-wal"), keyring.clone()] {
        match std::fs::remove_file(&old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    KeyFile::new(&keyring).create(&Keyring::generate()?)?;
    let fresh = format!("sqlite://{}?mode=rwc", file.display());
    let config = Config::builder().set("database_url", fresh)?.environment()?;
    Ok(config.set("keyring", keyring.display())?.build()?)
}

async fn new_agency(store: &dyn Store, env: &dyn Env, name: &str) -> Result<AgencyId> {
    let unit = store.platform(Grant::job("quickstart", "creates example agencies")?).await?;
    let agency = unit.agency_administration().add(NewAgency { name: name.into(), domain: None }).await?;
    let who = if name == "North" { "ann" } else { "bob" };
    let administrator = NewUser {
        email: email(env, who),
        role: Some(UserRole::AgencyAdmin),
        agency: Some(agency.id.clone()),
        package: Some(PackageType::Gold),
        ..Default::default()
    };
    unit.users().add(administrator).await?;
    unit.commit().await?;
    Ok(agency.id)
}

/// The steps of a sign-in and of each later call: session token → signed-in user → scope.
async fn sign_in(store: &dyn Store, env: &dyn Env, agency: &AgencyId, who: &str) -> Result<TenantScope> {
    let unit = store.identity().await?;
    let user = unit.identities().find_by_email(&email(env, who)).await?.ok_or("no such user")?;
    assert_eq!(user.agency_id.as_ref(), Some(agency));
    let session = unit.sessions().begin(&user.id, env.now() + TimeDelta::hours(8)).await?;
    let user = unit.sessions().signed_in(&session).await?.ok_or("not signed in")?;
    unit.commit().await?;
    Ok(TenantScope::of(&user, Origin::default()))
}

fn token() -> NewGa4Connection {
    NewGa4Connection {
        user: None,
        access_token: Secret::from("ya29.example"),
        refresh_token: None,
        expires: None,
        property_id: Some("properties/1".into()),
        property_name: None,
    }
}

/// Returns an address that is new in each run, so that the example can run twice on one PostgreSQL database.
fn email(env: &dyn Env, who: &str) -> String {
    let run = std::process::id();
    format!("{who}-{run}-{}@example.com", env.now().format("%Y%m%d"))
}

/// The system clock, which the example moves forward to the end of a month.
#[derive(Default)]
struct MovableClock {
    ahead_seconds: AtomicI64,
}

impl MovableClock {
    fn forward(&self, time: TimeDelta) {
        self.ahead_seconds.fetch_add(time.num_seconds(), Ordering::SeqCst);
    }
}

impl Env for MovableClock {
    fn now(&self) -> DateTime<Utc> {
        SystemEnv.now() + TimeDelta::seconds(self.ahead_seconds.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> String {
        SystemEnv.new_id()
    }
}

fn title(text: &str) {
    println!("\n{text}");
}

fn say(text: impl AsRef<str>) {
    println!("   {}", text.as_ref());
}
