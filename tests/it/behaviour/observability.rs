//! Metrics and spans of units and jobs follow OpenTelemetry's conventions for databases, and contain no value.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use metrics::Unit;
use rylie_db::maintenance::{Error, Job, JobContext, Missed, Result, Scheduler, SchedulerOptions};
use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::World;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use crate::support::telemetry::{Metrics, Spans};

use super::world;

const STATEMENT: &str = "db.client.operation";
const DURATION: &str = "db.client.operation.duration";

fn system(world: &World) -> &'static str {
    if world.is_postgres() { "postgresql" } else { "sqlite" }
}

/// Returns the name of the database, or of its file.
fn namespace(world: &World) -> String {
    if world.is_postgres() {
        return PgConnectOptions::from_str(world.url()).unwrap().get_database().unwrap().to_owned();
    }
    let path = world.url().trim_start_matches("sqlite://").split('?').next().unwrap();
    Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()
}

fn canary_request() -> NewRequest {
    NewRequest::new("canary-title", RequestKind::from("canary-kind"))
}

async fn add_agency(world: &World, new: NewAgency) -> rylie_db::repositories::Result<()> {
    let unit = world.platform().await.unwrap();
    unit.agency_administration().add(new).await?;
    unit.commit().await
}

#[tokio::test]
async fn a_statement_is_reported_as_the_conventions_say() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let (metrics, spans) = (Metrics::default(), Spans::default());
    let _listening = (metrics.listen(), spans.listen());

    let unit = agency.unit().await.unwrap();
    unit.tasks().add(&request, NewTask::new("canary", TaskType::Page)).await.unwrap();
    unit.commit().await.unwrap();

    let inserts: Vec<_> =
        spans.of(STATEMENT).into_iter().filter(|s| s.field("otel.name") == Some("INSERT Task")).collect();
    let [insert] = inserts.as_slice() else { panic!("{:?}", spans.all()) };
    let mut expected = BTreeMap::from([
        ("otel.kind", "client".to_owned()),
        ("otel.name", "INSERT Task".to_owned()),
        ("db.system.name", system(&world).to_owned()),
        ("db.namespace", namespace(&world)),
        ("db.operation.name", "INSERT".to_owned()),
        ("db.collection.name", "Task".to_owned()),
    ]);
    let mut fields = insert.fields.clone();
    let server = (fields.remove("server.address"), fields.remove("server.port"));
    assert_eq!(server.0.is_some(), world.is_postgres(), "{server:?}");
    assert_eq!(fields, expected);
    let unit = spans.parent_of(insert).unwrap();
    assert_eq!((unit.name, unit.field("otel.kind")), ("rylie.unit", Some("internal")));
    assert_eq!(unit.field("db.namespace"), Some(namespace(&world).as_str()));

    let measured = metrics.of(DURATION);
    let insert = measured.iter().find(|m| {
        let of = |name: &str, value: &str| m.labels.get(name).is_some_and(|label| label == value);
        of("db.operation.name", "INSERT") && of("db.collection.name", "Task")
    });
    let mut labels = insert.unwrap().labels.clone();
    assert_eq!((labels.remove("server.address"), labels.remove("server.port")), server);
    expected.retain(|name, _| name.starts_with("db."));
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(labels, expected);
}

#[tokio::test]
async fn each_statement_is_one_span_and_one_duration_and_its_name_is_of_a_small_set() {
    let world = world().await;
    let (metrics, spans) = (Metrics::default(), Spans::default());
    let _listening = (metrics.listen(), spans.listen());

    // Adds an agency, signs in and lists, through all three kinds of units.
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    drop(unit);

    let reported = spans.of(STATEMENT);
    assert!(reported.len() > 5 && reported.len() == metrics.of(DURATION).len(), "{reported:?}");
    for span in &reported {
        let operation = span.field("db.operation.name").unwrap();
        assert!(["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&operation), "{span:?}");
        let target = span.field("db.collection.name").map_or_else(|| namespace(&world), str::to_owned);
        assert_eq!(span.field("otel.name"), Some(format!("{operation} {target}").as_str()));
    }
    let tables: BTreeSet<_> = reported.iter().filter_map(|span| span.field("db.collection.name")).collect();
    assert!(tables.is_superset(&BTreeSet::from(["Agency", "AuditLog", "Request", "Session", "User"])), "{tables:?}");
}

#[tokio::test]
async fn no_value_and_no_secret_is_in_a_span_or_a_label() {
    let world = world().await;
    let (metrics, spans) = (Metrics::default(), Spans::default());
    let _listening = (metrics.listen(), spans.listen());
    let user = world.user().email("canary@example.com").build().await.unwrap();

    let unit = user.unit().await.unwrap();
    let request = unit.requests().add(canary_request()).await.unwrap();
    let tokens = NewGa4Connection {
        user: None,
        access_token: "canary-access".into(),
        refresh_token: Some("canary-refresh".into()),
        expires: None,
        property_id: Some("canary-property".into()),
        property_name: None,
    };
    unit.ga4_connections().save(tokens).await.unwrap();
    unit.ga4_connections().open_tokens(&user.user.id).await.unwrap();
    let key = unit.api_keys().issue(&user.user.id).await.unwrap();
    unit.commit().await.unwrap();
    let agency = NewAgency { name: "canary-name".into(), domain: Some("canary.example".into()) };
    add_agency(&world, agency.clone()).await.unwrap();
    add_agency(&world, agency).await.unwrap_err();

    let reported = format!("{:?} {:?}", spans.all(), metrics.all());
    assert!(reported.contains("INSERT GA4Connection") && reported.contains("error.type"), "all of it was told");
    for value in ["canary", key.expose(), user.user.id.as_str(), request.id.as_str(), user.session.expose(), "user:"] {
        assert!(!reported.contains(value), "{value} is in {reported}");
    }
    if let Some(password) = PgConnectOptions::from_str(world.url()).ok().filter(|_| world.is_postgres()) {
        let login = format!("{}@", password.get_username());
        assert!(!reported.contains(&login), "{reported}");
    }
}

#[tokio::test]
async fn a_statement_that_fails_is_counted_under_the_databases_code() {
    let world = world().await;
    let agency = NewAgency { name: "Twice".into(), domain: Some("twice.example".into()) };
    add_agency(&world, agency.clone()).await.unwrap();
    let (metrics, spans) = (Metrics::default(), Spans::default());
    let _listening = (metrics.listen(), spans.listen());

    add_agency(&world, agency).await.unwrap_err();

    let code = if world.is_postgres() { "23505" } else { "2067" };
    let failed: Vec<_> = metrics.of(DURATION).into_iter().filter(|m| m.labels.contains_key("error.type")).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    let labels = ["error.type", "db.response.status_code", "db.operation.name", "db.collection.name"];
    assert_eq!(labels.map(|name| failed.labels[name].as_str()), [code, code, "INSERT", "Agency"]);
    let failed: Vec<_> = spans.of(STATEMENT).into_iter().filter(|s| s.field("error.type").is_some()).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    let fields = ["error.type", "db.response.status_code", "otel.status_code"];
    assert_eq!(fields.map(|name| failed.field(name).unwrap()), [code, code, "ERROR"]);
}

#[tokio::test]
async fn waits_for_a_connection_are_measured_and_those_in_vain_counted() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let metrics = Metrics::default();
    let _listening = metrics.listen();
    let config = Config::builder().set("database_url", world.url()).unwrap();
    let config = config.set("max_connections", 1).unwrap().set("acquire_timeout_seconds", 1).unwrap();
    let database = Database::connect(config.build().unwrap()).await.unwrap();

    let holder = database.store().tenant(&agency.scope()).await.unwrap();
    assert!(database.store().tenant(&agency.scope()).await.is_err());
    drop(holder);

    let (waits, timeouts) = (metrics.of("db.client.connection.wait_time"), metrics.of("db.client.connection.timeouts"));
    assert_eq!((waits.len(), timeouts.len()), (1, 1));
    let pool = &waits[0].labels["db.client.connection.pool.name"];
    assert!(pool.ends_with(&namespace(&world)) && waits[0].labels == timeouts[0].labels, "{waits:?} {timeouts:?}");
    assert!(!pool.contains('@'), "no login is told: {pool}");
}

#[tokio::test]
async fn how_units_end_is_counted() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let metrics = Metrics::default();
    let _listening = metrics.listen();

    agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.requests().add(canary_request()).await.unwrap();
    drop(unit);

    let ended: Vec<_> = metrics.of("rylie.units").into_iter().map(|unit| unit.labels["outcome"].clone()).collect();
    assert_eq!(ended, ["committed", "rolled_back"]);
}

#[tokio::test]
async fn durations_are_reported_in_seconds() {
    let world = world().await;
    let metrics = Metrics::default();
    let _listening = metrics.listen();
    let database = world.connect_again(1).await.unwrap();
    database.scheduler(Vec::new(), SchedulerOptions::default()).unwrap();
    for name in [DURATION, "db.client.connection.wait_time", "rylie.job.duration"] {
        assert_eq!(metrics.unit(name), Some(Unit::Seconds), "{name}");
    }

    let began = Instant::now();
    for _ in 0..20 {
        world.user().build().await.unwrap();
    }
    let all: f64 = metrics.of(DURATION).iter().map(|measured| measured.value).sum();

    // The calls ran one after another, so their total is at most the elapsed time.
    let seconds = began.elapsed().as_secs_f64();
    assert!(all > 0.0 && all < seconds, "{all} of {seconds} seconds");
}

/// A job that succeeds or fails as constructed.
struct Works(bool);

#[async_trait::async_trait]
impl Job for Works {
    fn name(&self) -> &'static str {
        if self.0 { "works" } else { "fails" }
    }
    fn cron(&self) -> &'static str {
        "@hourly"
    }
    fn missed(&self) -> Missed {
        Missed::Once
    }
    async fn run(&self, _: &JobContext) -> Result<Value> {
        if self.0 { Ok(Value::Null) } else { Err(Error::UnknownJob { known: String::new() }) }
    }
}

#[tokio::test]
async fn runs_of_jobs_are_reported_and_counted_by_their_outcome() {
    let world = world().await;
    let (metrics, spans) = (Metrics::default(), Spans::default());
    let _listening = (metrics.listen(), spans.listen());
    let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(Works(true)), Arc::new(Works(false))];
    let env = Arc::new(rylie_db::entities::SystemEnv);
    let scheduler = Scheduler::new(world.store(), env, jobs, &BTreeMap::new(), SchedulerOptions::default()).unwrap();

    scheduler.run_now("works").await.unwrap();
    scheduler.run_now("fails").await.unwrap();

    let runs: Vec<_> = metrics.of("rylie.job.runs").into_iter().map(|m| (m.value, m.labels)).collect();
    let run = |job: &str, outcome: &str| {
        (1.0, [("job", job), ("outcome", outcome)].map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    };
    assert_eq!(runs, [run("works", "done"), run("fails", "failed")]);
    let durations: Vec<_> = metrics.of("rylie.job.duration").into_iter().map(|m| m.labels["job"].clone()).collect();
    assert_eq!(durations, ["works", "fails"]);
    let reported: Vec<_> = spans.of("rylie.job").into_iter().map(|span| span.fields["job"].clone()).collect();
    assert_eq!(reported, ["works", "fails"]);
}
