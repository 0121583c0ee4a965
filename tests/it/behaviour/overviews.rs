//! Lists with related rows, without a statement for each row.

use rylie_db::prelude::*;

use super::world;
use crate::support::rows::add_requests;

#[tokio::test]
async fn an_overview_has_users_and_task_counts_in_three_statements() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    other.request().await.unwrap();
    let ann = agency.user().await.unwrap();
    let (hers, removed) = (ann.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    for n in 0..3 {
        let task = unit.tasks().add(&hers.id, NewTask::new("t", TaskType::Page)).await.unwrap();
        if n == 0 {
            unit.tasks().remove(&task.id).await.unwrap();
        }
    }
    unit.requests().remove(&removed.id).await.unwrap();
    unit.commit().await.unwrap();

    for rows in [1, 50] {
        add_requests(&world, &agency, rows, rows * 2, "n").await;
        let unit = agency.unit().await.unwrap();
        let page = unit.requests().overview(RequestFilter::default(), KeysetRequest::first(100)).await.unwrap();
        assert_eq!(unit.statements(), 3, "the requests, the users, the counts");

        let first = &page.items[0];
        assert_eq!((&first.request.id, first.tasks), (&hers.id, 2));
        assert_eq!(first.user.as_ref().map(|user| &user.id), Some(&ann.user.id));
        assert!(page.items[1..].iter().all(|item| item.tasks == 0 && item.user.is_some()));
    }

    let unit = ann.unit().await.unwrap();
    let page = unit.requests().overview(RequestFilter::default(), KeysetRequest::first(100)).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].tasks), (1, 2));
}
