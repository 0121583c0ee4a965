//! Random operations on units, savepoints, soft deletes, usage and sessions, compared with a plain model. A failure is
//! shrunk to a short program. `RYLIE_TEST_MODEL_CASES` sets the number of programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};
use rylie_db::entities::Env;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, Savepoint};
use rylie_testkit::World;

use crate::support::seed::{length, seed};

/// The quota of pages of the package that the user has.
const PAGES: u32 = 5;

/// One unit of a program.
#[derive(Clone, Debug)]
enum Program {
    Tenant {
        steps: Vec<Step>,
        commits: bool,
    },
    Identity {
        steps: Vec<SessionStep>,
        commits: bool,
    },
    /// Time passes.
    Wait(i64),
}

/// A step in a tenant unit. Numbers name earlier requests.
#[derive(Clone, Debug)]
enum Step {
    Add { tasks: usize },
    Remove(usize),
    Restore(usize),
    Purge(usize),
    RemoveMany(Vec<usize>),
    Complete(usize),
    Use(u8),
    Part(PartStep),
    Look,
}

#[derive(Clone, Debug)]
enum SessionStep {
    Begin { hours: i64 },
    Extend(usize, i64),
    End(usize),
    EndAll,
    Part(PartStep),
    Look,
}

#[derive(Clone, Copy, Debug)]
enum PartStep {
    Begin,
    Keep,
    Undo,
    Drop,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Present,
    Deleted,
    Purged,
}

#[derive(Clone, Debug)]
struct Row {
    id: RequestId,
    state: State,
    completed: bool,
    tasks: usize,
}

/// The expected content of the database.
#[derive(Clone, Default)]
struct Model {
    requests: Vec<Row>,
    events: BTreeSet<u8>,
    sessions: Vec<(Token, DateTime<Utc>)>,
    /// The records of each action.
    recorded: BTreeMap<&'static str, u64>,
}

fn part() -> impl Strategy<Value = PartStep> {
    prop::sample::select(vec![PartStep::Begin, PartStep::Begin, PartStep::Keep, PartStep::Undo, PartStep::Drop])
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0_usize..8;
    prop_oneof![
        3 => (0_usize..3).prop_map(|tasks| Step::Add { tasks }),
        3 => any().prop_map(Step::Remove),
        2 => any().prop_map(Step::Restore),
        2 => any().prop_map(Step::Purge),
        1 => prop::collection::vec(any(), 0..4).prop_map(Step::RemoveMany),
        2 => any().prop_map(Step::Complete),
        3 => (0_u8..9).prop_map(Step::Use),
        5 => part().prop_map(Step::Part),
        2 => Just(Step::Look),
    ]
}

fn session_step() -> impl Strategy<Value = SessionStep> {
    prop_oneof![
        3 => (-1_i64..5).prop_map(|hours| SessionStep::Begin { hours }),
        2 => (0_usize..6, 1_i64..9).prop_map(|(session, hours)| SessionStep::Extend(session, hours)),
        2 => (0_usize..6).prop_map(SessionStep::End),
        1 => Just(SessionStep::EndAll),
        4 => part().prop_map(SessionStep::Part),
        2 => Just(SessionStep::Look),
    ]
}

fn program() -> impl Strategy<Value = Vec<Program>> {
    let unit = prop_oneof![
        4 => (prop::collection::vec(step(), 1..14), prop::bool::weighted(0.8))
            .prop_map(|(steps, commits)| Program::Tenant { steps, commits }),
        2 => (prop::collection::vec(session_step(), 1..10), prop::bool::weighted(0.8))
            .prop_map(|(steps, commits)| Program::Identity { steps, commits }),
        1 => (0_i64..3).prop_map(Program::Wait),
    ];
    prop::collection::vec(unit, 1..7)
}

/// Two values that must be equal; the error says what differs.
#[expect(clippy::needless_pass_by_value, reason = "most calls compare results that nothing else needs")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

fn done<T>(outcome: Result<T, Error>) -> Result<T, String> {
    outcome.map_err(|error| format!("{error:?}"))
}

/// Whether a call succeeded; `NotFound` is the only error that the model knows here.
fn found<T>(outcome: Result<T, Error>) -> Result<bool, String> {
    match outcome {
        Ok(_) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(other) => Err(format!("{other:?}")),
    }
}

/// The open savepoints of a unit, each with the model at its beginning.
struct Parts<'unit> {
    open: Vec<(Savepoint<'unit>, Model)>,
}

impl Parts<'_> {
    async fn step(&mut self, step: PartStep, model: &mut Model) -> Result<(), String> {
        let Some((part, before)) = self.open.pop() else { return Ok(()) };
        match step {
            PartStep::Begin => self.open.push((part, before)),
            PartStep::Keep => done(part.keep().await)?,
            PartStep::Undo => {
                done(part.undo().await)?;
                *model = before;
            }
            PartStep::Drop => {
                drop(part);
                *model = before;
            }
        }
        Ok(())
    }

    /// Drops the savepoints that are still open.
    fn end(mut self, model: &mut Model) {
        while let Some((part, before)) = self.open.pop() {
            drop(part);
            *model = before;
        }
    }
}

impl Model {
    /// Soft-deletes, restores or purges one request. Returns whether there is one in the right state.
    fn change(&mut self, number: usize, from: State, to: State, action: &'static str) -> Option<(RequestId, bool)> {
        let row = self.requests.get_mut(number)?;
        let fits = row.state == from;
        if fits {
            row.state = to;
            *self.recorded.entry(action).or_default() += 1;
        }
        Some((row.id.clone(), fits))
    }

    fn used(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap()
    }

    async fn step(&mut self, unit: &dyn TenantUnit, user: &UserId, step: &Step) -> Result<(), String> {
        match step {
            Step::Add { tasks } => {
                let new = NewRequest::new("r", RequestKind::Page);
                let new_tasks = vec![NewTask::new("t", TaskType::Page); *tasks];
                let added = done(unit.requests().add_with_tasks(new, new_tasks).await)?;
                let row = Row { id: added.request.id, state: State::Present, completed: false, tasks: *tasks };
                self.requests.push(row);
            }
            Step::Remove(number) => {
                let change = self.change(*number, State::Present, State::Deleted, "DELETED");
                if let Some((id, fits)) = change {
                    same("remove", found(unit.requests().remove(&id).await)?, fits)?;
                }
            }
            Step::Restore(number) => {
                let change = self.change(*number, State::Deleted, State::Present, "RESTORED");
                if let Some((id, fits)) = change {
                    same("restore", found(unit.requests().restore(&id).await)?, fits)?;
                }
            }
            Step::Purge(number) => {
                let change = self.change(*number, State::Deleted, State::Purged, "PURGED");
                if let Some((id, fits)) = change {
                    same("purge", found(unit.requests().purge(&id).await)?, fits)?;
                }
            }
            Step::RemoveMany(numbers) => {
                let numbers: BTreeSet<_> = numbers.iter().copied().collect();
                let ended: Vec<_> = numbers
                    .into_iter()
                    .filter_map(|number| self.change(number, State::Present, State::Deleted, "DELETED"))
                    .collect();
                let ids: Vec<_> = ended.iter().map(|(id, _)| id.clone()).collect();
                let changed = done(unit.requests().remove_many(&ids).await)?.changed;
                same("remove_many", changed, ended.iter().filter(|(_, fits)| *fits).count() as u64)?;
            }
            Step::Complete(number) => {
                let Some(row) = self.requests.get_mut(*number) else { return Ok(()) };
                let present = row.state == State::Present;
                row.completed |= present;
                let status = RequestStatus::Completed;
                same("set_status", found(unit.requests().set_status(&row.id, status).await)?, present)?;
            }
            Step::Use(event) => {
                let (count, repeated) = (self.used(), self.events.contains(event));
                let outcome = unit.usage().use_page(user, &format!("event {event}")).await;
                if !repeated && count == PAGES {
                    let refused = matches!(outcome, Err(Error::QuotaExceeded { limit: PAGES, .. }));
                    return same("the quota", refused, true);
                }
                self.events.insert(*event);
                let outcome = done(outcome)?;
                same("use_page", (outcome.used, outcome.repeated), (self.used(), repeated))?;
            }
            Step::Look => self.look(unit, user).await?,
            Step::Part(_) => {}
        }
        Ok(())
    }

    /// Compares everything that a tenant unit shows.
    async fn look(&self, unit: &dyn TenantUnit, user: &UserId) -> Result<(), String> {
        for (deleted, state) in [(false, State::Present), (true, State::Deleted)] {
            let filter = RequestFilter { deleted, ..RequestFilter::default() };
            let page = done(unit.requests().list(filter, PageRequest::new(PageRequest::MAX_LIMIT, 0)).await)?;
            let found = page.items.iter().map(|row| (row.id.clone(), row.status == RequestStatus::Completed));
            let expected = self.requests.iter().filter(|row| row.state == state);
            let expected: BTreeSet<_> = expected.map(|row| (row.id.clone(), row.completed)).collect();
            same("the total", page.total, expected.len() as u64)?;
            same("the requests", found.collect::<BTreeSet<_>>(), expected)?;
        }
        for row in &self.requests {
            let found = done(unit.requests().find(&row.id).await)?;
            same("find", found.is_some(), row.state == State::Present)?;
            if row.state == State::Present {
                same("the tasks", done(unit.requests().get_with_tasks(&row.id).await)?.tasks.len(), row.tasks)?;
            }
        }
        let count = done(unit.users().get(user).await)?.pages_used_this_period;
        same("the usage", u32::try_from(count).unwrap(), self.used())?;
        for (action, count) in &self.recorded {
            let filter = AuditFilter { action: Some((*action).to_owned()), ..AuditFilter::default() };
            let found = done(unit.audit().list(filter, PageRequest::default()).await)?.total;
            same(&format!("the records {action}"), found, *count)?;
        }
        Ok(())
    }

    async fn session_step(
        &mut self,
        unit: &dyn IdentityUnit,
        user: &UserId,
        now: DateTime<Utc>,
        step: &SessionStep,
    ) -> Result<(), String> {
        match step {
            SessionStep::Begin { hours } => {
                let expires = now + TimeDelta::hours(*hours);
                self.sessions.push((done(unit.sessions().begin(user, expires).await)?, expires));
            }
            SessionStep::Extend(number, hours) => {
                let Some((token, expires)) = self.sessions.get_mut(*number) else { return Ok(()) };
                let (valid, later) = (*expires > now, now + TimeDelta::hours(*hours));
                same("extend", found(unit.sessions().extend(token, later).await)?, valid)?;
                if valid {
                    *expires = later;
                }
            }
            SessionStep::End(number) => {
                if *number < self.sessions.len() {
                    let (token, _) = self.sessions.remove(*number);
                    done(unit.sessions().end(&token).await)?;
                    // Once more: nothing happens.
                    done(unit.sessions().end(&token).await)?;
                    same("an ended session", done(unit.sessions().signed_in(&token).await)?.is_some(), false)?;
                }
            }
            SessionStep::EndAll => {
                same("end_all", done(unit.sessions().end_all(user).await)?, self.sessions.len() as u64)?;
                self.sessions.clear();
            }
            SessionStep::Look => self.look_at_sessions(unit, now).await?,
            SessionStep::Part(_) => {}
        }
        Ok(())
    }

    async fn look_at_sessions(&self, unit: &dyn IdentityUnit, now: DateTime<Utc>) -> Result<(), String> {
        for (token, expires) in &self.sessions {
            same("signed_in", done(unit.sessions().signed_in(token).await)?.is_some(), *expires > now)?;
        }
        Ok(())
    }
}

/// Runs a program in an agency with one user, and compares after each unit.
async fn run(world: &World, program: &[Program]) -> Result<(), String> {
    let agency = world.agency().await.unwrap();
    let user = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap().user.id;
    let (store, scope) = (world.store(), agency.scope());
    let unit = done(store.identity().await)?;
    done(unit.sessions().end_all(&user).await)?;
    done(unit.commit().await)?;
    let mut committed = Model::default();
    for part in program {
        let now = world.env().now();
        match part {
            Program::Wait(hours) => world.env().forward(TimeDelta::hours(*hours)),
            Program::Tenant { steps, commits } => {
                let mut model = committed.clone();
                let unit = done(store.tenant(&scope).await)?;
                let mut parts = Parts { open: Vec::new() };
                for step in steps {
                    match step {
                        Step::Part(PartStep::Begin) => parts.open.push((done(unit.savepoint().await)?, model.clone())),
                        Step::Part(step) => parts.step(*step, &mut model).await?,
                        step => model.step(&*unit, &user, step).await?,
                    }
                }
                parts.end(&mut model);
                if *commits {
                    done(unit.commit().await)?;
                    committed = model;
                }
            }
            Program::Identity { steps, commits } => {
                let mut model = committed.clone();
                let unit = done(store.identity().await)?;
                let mut parts = Parts { open: Vec::new() };
                for step in steps {
                    match step {
                        SessionStep::Part(PartStep::Begin) => {
                            parts.open.push((done(unit.savepoint().await)?, model.clone()));
                        }
                        SessionStep::Part(step) => parts.step(*step, &mut model).await?,
                        step => model.session_step(&*unit, &user, now, step).await?,
                    }
                }
                parts.end(&mut model);
                if *commits {
                    done(unit.commit().await)?;
                    committed = model;
                }
            }
        }
        let unit = done(store.tenant(&scope).read_only().await)?;
        committed.look(&*unit, &user).await?;
        let unit = done(store.identity().await)?;
        committed.look_at_sessions(&*unit, world.env().now()).await?;
    }
    Ok(())
}

async fn programs_do_what_the_model_says(world: World) {
    let (seed, runtime) = (seed(), tokio::runtime::Handle::current());
    let cases = u32::try_from(length("RYLIE_TEST_MODEL_CASES", 40)).unwrap();
    let world = Arc::new(world);
    let tested = tokio::task::spawn_blocking(move || {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_be_bytes(); 4].concat());
        let settings = Cases { cases, failure_persistence: None, max_shrink_iters: 400, ..Cases::default() };
        TestRunner::new_with_rng(settings, random)
            .run(&program(), |program| runtime.block_on(run(&world, &program)).map_err(TestCaseError::fail))
            .map_err(|failure| failure.to_string())
    });
    tested.await.unwrap().unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_do_what_the_model_says_on_sqlite() {
    programs_do_what_the_model_says(World::sqlite().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_do_what_the_model_says_on_postgres() {
    programs_do_what_the_model_says(World::postgres().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_do_what_the_model_says_behind_a_pooler() {
    programs_do_what_the_model_says(World::postgres_behind_pooler().await.unwrap()).await;
}

/// A model that forgets that an undone part is undone is refuted: the comparison is not empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_model_is_refuted() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    let (unit, user) = (agency.unit().await.unwrap(), agency.admin.user.id.clone());
    let mut model = Model::default();
    let part = unit.savepoint().await.unwrap();
    model.step(&*unit, &user, &Step::Add { tasks: 1 }).await.unwrap();
    part.undo().await.unwrap();
    assert!(model.look(&*unit, &user).await.unwrap_err().starts_with("the total"));
}
