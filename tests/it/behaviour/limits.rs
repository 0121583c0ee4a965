//! Inputs beyond what can be stored: typed errors, and the unit goes on.

use chrono::{DateTime, TimeZone, Utc};
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MAX_LINE_BYTES, MAX_TEXT_BYTES, NewGa4Connection};

use super::world;

#[tokio::test]
async fn texts_and_tokens_have_limits_and_the_longest_are_stored() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let new =
        |title: String, description: String| NewRequest { description, ..NewRequest::new(title, RequestKind::Page) };

    for wrong in [
        new("x".repeat(MAX_LINE_BYTES + 1), String::new()),
        new("x".to_owned(), "x".repeat(MAX_TEXT_BYTES + 1)),
        new("  ".to_owned(), String::new()),
    ] {
        assert!(matches!(unit.requests().add(wrong).await, Err(Error::Invalid { .. })));
    }
    for token in [String::new(), "x".repeat(1 << 20)] {
        let saved = unit.ga4_connections().save(NewGa4Connection::new(token.into())).await;
        assert!(matches!(saved, Err(Error::Invalid { .. })), "{saved:?}");
    }
    let longest = new("x".repeat(MAX_LINE_BYTES), "x".repeat(MAX_TEXT_BYTES));
    assert_eq!(unit.requests().add(longest).await.unwrap().description.len(), MAX_TEXT_BYTES);
    unit.commit().await.unwrap();
}

fn year(year: i32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap()
}

#[tokio::test]
async fn times_beyond_the_years_of_both_engines_are_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let store = world.store();
    for wrong in [year(-9999), year(-1), year(10_000), year(11_000)] {
        let unit = store.identity().await.unwrap();
        let begun = unit.sessions().begin(&agency.admin.user.id, wrong).await;
        assert!(matches!(begun, Err(Error::Invalid { what: "a time", .. })), "{wrong}: {begun:?}");
        drop(unit);
        let unit = agency.unit().await.unwrap();
        let task = NewTask { due: Some(wrong), ..NewTask::new("t", TaskType::Page) };
        let added = unit.requests().add_with_tasks(NewRequest::new("r", RequestKind::Page), vec![task]).await;
        assert!(matches!(added, Err(Error::Invalid { what: "a time", .. })), "{wrong}: {added:?}");
        drop(unit);
    }
    let unit = store.identity().await.unwrap();
    let token = unit.sessions().begin(&agency.admin.user.id, year(9999)).await.unwrap();
    assert!(unit.sessions().signed_in(&token).await.unwrap().is_some(), "a session until the year 9999 is valid");
}
