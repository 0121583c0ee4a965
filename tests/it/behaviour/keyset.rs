//! Walks lists by cursor.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt};
use rylie_db::entities::RequestStatus;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, UserFilter};
use sea_orm::ConnectionTrait;

use super::world;
use crate::support::rows::{add_requests, beside};

#[expect(clippy::needless_pass_by_value, reason = "`is_refused(call.await)` reads better than with a reference")]
fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Invalid { what: "the cursor", .. }))
}

fn after(cursor: &Cursor) -> KeysetRequest {
    KeysetRequest::after(50, cursor.clone())
}

/// Returns the whole list, page by page.
async fn walk(unit: &dyn TenantUnit, filter: &RequestFilter, limit: u64) -> Vec<String> {
    let mut page = KeysetRequest::first(limit);
    let mut ids = Vec::new();
    loop {
        let KeysetPage { items, next } = unit.requests().list_after(filter.clone(), page).await.unwrap();
        assert!(items.len() as u64 <= limit);
        ids.extend(items.into_iter().map(|request| request.id.to_string()));
        let Some(cursor) = next else { return ids };
        page = KeysetRequest::after(limit, cursor);
    }
}

#[tokio::test]
async fn a_walk_meets_each_row_once_also_where_many_have_the_same_time() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    add_requests(&world, &agency, 1, 3_000, "n / 500").await;
    let unit = agency.unit().await.unwrap();

    let ids = walk(&*unit, &RequestFilter::default(), 70).await;

    // The newest first; at equal times the greatest id.
    assert_eq!(ids, (1..=3_000).rev().map(|n| format!("r-{n:07}")).collect::<Vec<_>>());
    assert_eq!(unit.statements(), 3_000_u64.div_ceil(70), "one statement a page");
}

#[tokio::test]
async fn a_stream_yields_the_whole_list_and_reads_a_page_when_it_is_wanted() {
    let world = world().await;
    let (agency, empty) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    add_requests(&world, &agency, 1, 250, "n / 500").await;
    let unit = agency.unit().await.unwrap();
    let requests = || stream_of(|page| unit.requests().list_after(RequestFilter::default(), page));

    let some: Vec<_> = requests().take(100).try_collect().await.unwrap();
    assert_eq!((some.len(), unit.statements()), (100, 1));
    let all: Vec<_> = requests().map_ok(|request| request.id.to_string()).try_collect().await.unwrap();
    assert_eq!(all, (1..=250).rev().map(|n| format!("r-{n:07}")).collect::<Vec<_>>());
    assert_eq!(unit.statements(), 1 + 3);

    drop(unit);
    let unit = empty.unit().await.unwrap();
    let mut none = stream_of(|page| unit.requests().list_after(RequestFilter::default(), page));
    assert!(none.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_with_the_first_error() {
    let mut pages = stream_of(|_| async { Err::<KeysetPage<u8>, _>(Error::Contention) });

    assert!(matches!(pages.next().await, Some(Err(Error::Contention))));
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_walk_has_the_order_of_the_list_on_every_list() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    for _ in 0..5 {
        agency.user().await.unwrap();
    }
    let request = agency.request().await.unwrap();
    add_requests(&world, &agency, 1, 5, "n / 2").await;
    let unit = agency.unit().await.unwrap();
    for n in 0..5 {
        world.env().forward(TimeDelta::milliseconds(n % 2));
        unit.tasks().add(&request.id, NewTask::new("t", TaskType::Page)).await.unwrap();
        unit.audit().record(Event::new(Action::RequestCreated).on_row("Request", &n.to_string())).await.unwrap();
    }

    macro_rules! walked_as_listed {
        ($repository:ident, $filter:ty) => {{
            let listed = unit.$repository().list(<$filter>::default(), PageRequest::default()).await.unwrap().items;
            assert!(listed.len() >= 5);
            let (mut walked, mut page) = (Vec::new(), KeysetRequest::first(2));
            loop {
                let part = unit.$repository().list_after(<$filter>::default(), page).await.unwrap();
                walked.extend(part.items);
                let Some(next) = part.next else { break };
                page = KeysetRequest::after(2, next);
            }
            assert_eq!(walked, listed);
        }};
    }
    walked_as_listed!(users, UserFilter);
    walked_as_listed!(tasks, TaskFilter);
    walked_as_listed!(audit, AuditFilter);
    walked_as_listed!(requests, RequestFilter);
}

#[tokio::test]
async fn a_list_that_ends_with_the_page_has_no_next_one() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let empty = unit.requests().list_after(RequestFilter::default(), KeysetRequest::default()).await.unwrap();
    assert_eq!((empty.items.len(), empty.next), (0, None));
    drop(unit);

    add_requests(&world, &agency, 1, 4, "n").await;
    let unit = agency.unit().await.unwrap();
    let full = unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(4)).await.unwrap();
    assert_eq!((full.items.len(), full.next), (4, None));
}

/// Walks a hundred thousand rows while others are removed and added before, behind and at the current position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_meets_each_surviving_row_once_while_others_come_and_go() {
    const ROWS: u64 = 100_000;
    let world = world().await;
    let agency = world.agency().await.unwrap();
    add_requests(&world, &agency, 1, ROWS, "n / 7 * 10").await;
    let (walked, database) = (AtomicBool::new(false), beside(&world).await);

    let come_and_go = async {
        let (mut removed, mut made, mut n) = (HashSet::new(), 0, 0_u64);
        while !walked.load(Ordering::Relaxed) {
            // Scattered over the whole list.
            n = (n + 61_803) % ROWS;
            let remove = format!(r#"DELETE FROM "Request" WHERE id = 'r-{:07}'"#, n + 1);
            database.execute_unprepared(&remove).await.unwrap();
            removed.insert(format!("r-{:07}", n + 1));
            made += 1;
            add_requests(&world, &agency, ROWS + made, ROWS + made, &format!("{} / 7 * 10", ROWS - n)).await;
        }
        (removed, made)
    };
    let walk = async {
        let (mut ids, mut page) = (Vec::new(), KeysetRequest::first(100));
        loop {
            let unit = world.store().tenant(&agency.scope()).read_only().await.unwrap();
            let part = unit.requests().overview(RequestFilter::default(), page).await.unwrap();
            ids.extend(part.items.into_iter().map(|item| item.request.id.to_string()));
            let Some(next) = part.next else { break };
            page = KeysetRequest::after(100, next);
        }
        walked.store(true, Ordering::Relaxed);
        ids
    };
    let ((removed, made), ids) = tokio::join!(come_and_go, walk);

    let mut met: HashMap<&str, u32> = HashMap::new();
    for id in &ids {
        *met.entry(id).or_default() += 1;
    }
    assert!(removed.len() > 100 && made > 100, "{made} rows came and went meanwhile");
    assert!(met.values().all(|times| *times == 1), "no row twice");
    for n in 1..=ROWS {
        let id = format!("r-{n:07}");
        assert!(removed.contains(&id) || met.contains_key(id.as_str()), "{id} was there and not met");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_list_filter_tenant_and_reach_alone() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let ann = ours.user().await.unwrap();
    add_requests(&world, &ours, 1, 10, "n").await;
    let unit = ours.unit().await.unwrap();
    let first = unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(3)).await.unwrap();
    let cursor = first.next.unwrap();

    assert_eq!(unit.requests().list_after(RequestFilter::default(), after(&cursor)).await.unwrap().items.len(), 7);
    for filter in [
        RequestFilter { status: Some(RequestStatus::Pending), ..Default::default() },
        RequestFilter { deleted: true, ..Default::default() },
        RequestFilter { kind: Some("page".into()), ..Default::default() },
    ] {
        assert!(is_refused(unit.requests().list_after(filter, after(&cursor)).await));
    }
    assert!(is_refused(unit.tasks().list_after(TaskFilter::default(), after(&cursor)).await));
    assert!(is_refused(unit.users().list_after(UserFilter::default(), after(&cursor)).await));
    drop(unit);

    let elsewhere = [theirs.scope(), ours.scope().own(), ann.scope()];
    for scope in elsewhere {
        let unit = world.store().tenant(&scope).read_only().await.unwrap();
        assert!(is_refused(unit.requests().list_after(RequestFilter::default(), after(&cursor)).await));
    }
    let platform = world.platform().await.unwrap();
    assert!(is_refused(platform.requests().list_after(RequestFilter::default(), after(&cursor)).await));
}

#[tokio::test]
async fn a_forged_cursor_is_refused_before_anything_is_asked() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    add_requests(&world, &agency, 1, 10, "n").await;
    let unit = agency.unit().await.unwrap();
    let first = unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(3)).await.unwrap();
    let text = first.next.unwrap().to_string();
    let (statements, mut asked) = (unit.statements(), 0);

    for place in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        // The first two letters contain the version, which parsing checks. The last letter has two unused bits that
        // must be zero; otherwise parsing fails.
        let Ok(cursor) = Cursor::parse(std::str::from_utf8(&forged).unwrap()) else { continue };
        assert!(is_refused(unit.requests().list_after(RequestFilter::default(), after(&cursor)).await), "{place}");
        asked += 1;
    }
    assert!(asked >= text.len() - 3, "{asked} of {} forged cursors were parsed", text.len());
    assert!(is_refused(Cursor::parse(&text[..20])) && is_refused(Cursor::parse("")));
    assert_eq!(unit.statements(), statements);
}

#[tokio::test]
async fn processes_share_cursors_by_their_keyring() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    add_requests(&world, &agency, 1, 10, "n").await;
    let connect = async |keyring: bool| {
        let config = Config::builder().set("database_url", world.url()).unwrap();
        let config = if keyring { config.set("keyring", world.keyring().display()).unwrap() } else { config };
        Database::connect(config.build().unwrap()).await.unwrap()
    };
    let unit = agency.unit().await.unwrap();
    let first = unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(3)).await.unwrap();
    let cursor = first.next.unwrap();

    for (keyring, good) in [(true, true), (false, false)] {
        let database = connect(keyring).await;
        let store = database.store();
        let unit = store.tenant(&agency.scope()).read_only().await.unwrap();
        let page = unit.requests().list_after(RequestFilter::default(), after(&cursor)).await;
        assert_eq!(page.is_ok(), good);
        // Without a keyring a process accepts its own cursors.
        let own =
            unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(3)).await.unwrap().next.unwrap();
        assert!(unit.requests().list_after(RequestFilter::default(), after(&own)).await.is_ok());
    }
}
