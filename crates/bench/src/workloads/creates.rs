//! A request with ten tasks, in one round trip.

use std::sync::Arc;

use rylie_db::prelude::*;

use super::lists::place;
use crate::Result;
use crate::dataset::run_as_owner;
use crate::measure::looped;
use crate::service::Service;

const CLEAN: &str = "DELETE FROM \"Request\" WHERE \"title\" LIKE 'created %';\nVACUUM \"Request\", \"Task\";\n";

pub(crate) async fn with_ten_tasks(name: &str, callers: usize) -> Result<()> {
    let service = Service::connect().await?;
    let (store, scopes) = (service.store.clone(), Arc::new(service.scopes(1..201).await?));
    looped(name, callers, move |number| {
        let (store, scopes) = (Arc::clone(&store), Arc::clone(&scopes));
        async move {
            let scope = &scopes[place(number, scopes.len())];
            let made = store.add_request(scope, request(number), tasks()).await?;
            if made.tasks.len() == 10 { Ok(()) } else { Err("not ten tasks".into()) }
        }
    })
    .await?;
    run_as_owner(CLEAN).await
}

fn request(number: u64) -> NewRequest {
    NewRequest {
        description: "A new request for content".into(),
        priority: Some(RequestPriority::High),
        keywords: Some(["suv", "lease"].into_iter().map(str::to_owned).collect()),
        target_url: Some("https://dealer.example/new".into()),
        ..NewRequest::new(format!("created {number}"), RequestKind::Page)
    }
}

fn tasks() -> Vec<NewTask> {
    let kinds = [TaskType::Page, TaskType::Blog, TaskType::GbpPost, TaskType::Improvement];
    let task = |(number, kind)| NewTask {
        description: Some("Short note".into()),
        priority: Some(RequestPriority::Medium),
        ..NewTask::new(format!("task {number}"), kind)
    };
    (0..10).zip(kinds.into_iter().cycle()).map(task).collect()
}
