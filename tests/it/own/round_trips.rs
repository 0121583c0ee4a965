//! An own row costs the round trips of a row of the platform: counted on the wire.

use rylie_db::entities::{Task, TaskStatus, TaskType};
use rylie_db::own::*;
use rylie_db::prelude::{Config, Database, NewTask, Store, TaskFilter, TenantScope};
use rylie_testkit::{Cluster, DelayProxy, World};

use super::comments::{self, Comments, comment};
use super::downstream::tables;

#[derive(Clone, Copy, Debug)]
enum Call {
    Read,
    ReadAtOnce,
    Page,
    Add,
    Change,
    Remove,
}

struct Places {
    request: RequestId,
    tasks: Vec<Task>,
    comments: Vec<comment::Model>,
}

#[tokio::test]
async fn an_own_row_costs_the_round_trips_of_a_task() {
    let world = World::postgres_with(comments::schema()).await.unwrap();
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let agency = world.agency().await.unwrap();
    let scope: TenantScope = agency.scope();
    let config = Config::builder().set("database_url", world.url_through(&proxy).unwrap()).unwrap();
    let config = config.set("max_connections", 1).unwrap().build().unwrap().with(comments::schema()).unwrap();
    let store = Database::connect(config).await.unwrap().store();
    let mut places = Places { request: agency.request().await.unwrap().id, tasks: Vec::new(), comments: Vec::new() };
    let unit = agency.unit().await.unwrap();
    for _ in 0..3 {
        places.tasks.push(unit.tasks().add(&places.request, NewTask::new("a", TaskType::Blog)).await.unwrap());
        places.comments.push(unit.comments().add(&places.request, None, "a").await.unwrap());
    }
    unit.commit().await.unwrap();

    for call in [Call::Read, Call::ReadAtOnce, Call::Page, Call::Add, Call::Change, Call::Remove] {
        let mut costs = Vec::new();
        for own in [false, true] {
            for turn in 0..3 {
                let settled = store.tenant(&scope).read_only().await.unwrap();
                let before = proxy.round_trips() + 1;
                drop(settled);
                if own {
                    on_comments(&*store, &scope, &places, turn, call).await;
                } else {
                    on_tasks(&*store, &scope, &places, turn, call).await;
                }
                if turn == 2 {
                    costs.push(proxy.round_trips() - before);
                }
            }
        }
        assert_eq!(costs[0], costs[1], "{call:?}: ours, own");
        assert!(costs[0] > 0, "{call:?}");
    }
}

async fn on_tasks(store: &dyn Store, scope: &TenantScope, places: &Places, turn: usize, call: Call) {
    let task = &places.tasks[turn].id;
    match call {
        Call::Read => drop(store.tenant(scope).read_only().await.unwrap().tasks().find(task).await.unwrap()),
        Call::ReadAtOnce => {
            drop(store.tenant(scope).read_only().autocommit().await.unwrap().tasks().find(task).await.unwrap());
        }
        Call::Page => {
            let unit = store.tenant(scope).read_only().await.unwrap();
            let filter = TaskFilter { request: Some(places.request.clone()), ..Default::default() };
            unit.tasks().list_after(filter, KeysetRequest::first(10)).await.unwrap();
        }
        Call::Add | Call::Change | Call::Remove => {
            let unit = store.tenant(scope).await.unwrap();
            match call {
                Call::Add => {
                    drop(unit.tasks().add(&places.request, NewTask::new("b", TaskType::Blog)).await.unwrap());
                }
                Call::Change => drop(unit.tasks().set_status(task, TaskStatus::InProgress).await.unwrap()),
                _ => unit.tasks().remove(task).await.unwrap(),
            }
            unit.commit().await.unwrap();
        }
    }
}

async fn on_comments(store: &dyn Store, scope: &TenantScope, places: &Places, turn: usize, call: Call) {
    let comment = &places.comments[turn].id;
    match call {
        Call::Read => {
            let unit = store.tenant(scope).read_only().await.unwrap();
            tables(&*unit).of::<comment::Entity>().get(comment).await.unwrap();
        }
        Call::ReadAtOnce => {
            let unit = store.tenant(scope).read_only().autocommit().await.unwrap();
            tables(&*unit).of::<comment::Entity>().get(comment).await.unwrap();
        }
        Call::Page => {
            let unit = store.tenant(scope).read_only().await.unwrap();
            unit.comments().list(&places.request, KeysetRequest::first(10)).await.unwrap();
        }
        Call::Add | Call::Change | Call::Remove => {
            let unit = store.tenant(scope).await.unwrap();
            match call {
                Call::Add => drop(unit.comments().add(&places.request, None, "b").await.unwrap()),
                Call::Change => {
                    // A task is read before its status changes.
                    let before = tables(&*unit).of::<comment::Entity>().get(comment).await.unwrap();
                    let set = comment::ActiveModel { reply_to: Set(before.reply_to), ..Default::default() };
                    tables(&*unit).of::<comment::Entity>().update(comment, set).await.unwrap();
                }
                _ => unit.comments().remove(comment).await.unwrap(),
            }
            unit.commit().await.unwrap();
        }
    }
}
