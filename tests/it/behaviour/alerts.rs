//! Sends one alert when the threshold is crossed and one when the size recovers, and loses none.

use chrono::TimeDelta;
use futures_util::future::join_all;
use rylie_db::crypto::Secret;
use rylie_db::maintenance::{Notifier, Smtp, check_size, deliver_alerts};
use rylie_db::repositories::{AlertEvent, StoreExt};
use rylie_testkit::World;

use crate::support::loopback::{MailServer, Webhook};

use super::world;

const GB: i64 = 1 << 30;

async fn check(world: &World, bytes: i64, notifiers: &[Notifier]) -> Option<AlertEvent> {
    check_size(&*world.store(), bytes, 10 * GB, notifiers).await.unwrap()
}

/// Delivers alerts. Returns the error of each undelivered one.
async fn deliver(world: &World, notifiers: &[Notifier]) -> Vec<String> {
    let left = deliver_alerts(&*world.store(), world.env(), notifiers).await.unwrap();
    left.into_iter().map(|delivery| delivery.error.unwrap_or_default()).collect()
}

fn by_mail(url: String) -> Notifier {
    let smtp = Smtp { url: Secret::new(url), from: "alerts@example.com".to_owned() };
    Notifier::new("mailto:ops@example.com", Some(&smtp)).unwrap()
}

#[tokio::test]
async fn mail_and_webhook_are_notified_once_of_a_crossing_and_once_of_a_recovery() {
    let (world, server, hook) = (world().await, MailServer::start().await, Webhook::start().await);
    let notifiers = [by_mail(server.url()), Notifier::new(&hook.url(), None).unwrap()];
    assert_eq!(check(&world, 9 * GB, &notifiers).await, None);

    assert_eq!(check(&world, 11 * GB, &notifiers).await, Some(AlertEvent::Crossed));
    assert_eq!(check(&world, 12 * GB, &notifiers).await, None);
    assert!(deliver(&world, &notifiers).await.is_empty());
    assert!(deliver(&world, &notifiers).await.is_empty());
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    for part in
        ["To: ops@example.com", "From: alerts@example.com", "Subject: Database Size Alert", "now 11 GB, exceeding"]
    {
        assert!(mails[0].contains(part), "{part}: {}", mails[0]);
    }
    let reported = hook.documents();
    assert_eq!(reported.len(), 1);
    assert_eq!((&reported[0]["event"], &reported[0]["value"]), (&"crossed".into(), &(11 * GB).into()));

    assert_eq!(check(&world, 8 * GB, &notifiers).await, Some(AlertEvent::Recovered));
    assert_eq!(check(&world, 8 * GB, &notifiers).await, None);
    assert!(deliver(&world, &notifiers).await.is_empty());
    assert!(server.mails().len() == 2 && server.mails()[1].contains("8192 MB again"), "{:?}", server.mails());
    assert_eq!(hook.documents()[1]["event"], "recovered");
}

#[tokio::test]
async fn ten_processes_that_find_it_at_once_report_it_once() {
    let (world, hook) = (world().await, Webhook::start().await);
    let notifiers = [Notifier::new(&hook.url(), None).unwrap()];

    let events = join_all((0..10).map(|_| check(&world, 11 * GB, &notifiers))).await;
    join_all((0..10).map(|_| deliver(&world, &notifiers))).await;

    assert_eq!(events.into_iter().flatten().collect::<Vec<_>>(), [AlertEvent::Crossed]);
    assert_eq!(hook.documents().len(), 1);
}

#[tokio::test]
async fn an_alert_that_failed_shows_and_is_tried_again_under_the_same_id() {
    let (world, hook) = (world().await, Webhook::start().await);
    let notifiers = [Notifier::new(&hook.url(), None).unwrap()];
    hook.answer(500);
    check(&world, 11 * GB, &notifiers).await;

    let left = deliver(&world, &notifiers).await;
    assert!(left.len() == 1 && left[0].contains("status 500") && !left[0].contains("canary"), "{left:?}");
    hook.answer(200);
    assert_eq!(deliver(&world, &notifiers).await, left, "its time has not come");
    world.env().forward(TimeDelta::seconds(61));
    assert!(deliver(&world, &notifiers).await.is_empty());

    let reported = hook.documents();
    assert_eq!(reported.len(), 2);
    assert_eq!(reported[0]["id"], reported[1]["id"]);
}

#[tokio::test]
async fn one_target_that_is_away_does_not_keep_the_others_waiting() {
    let (world, hook) = (world().await, Webhook::start().await);
    // A port without a listener.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let notifiers = [by_mail(format!("smtp://127.0.0.1:{closed}")), Notifier::new(&hook.url(), None).unwrap()];
    check(&world, 11 * GB, &notifiers).await;

    let left = deliver(&world, &notifiers).await;

    assert!(left.len() == 1 && left[0].contains("mailto:ops@example.com"), "{left:?}");
    assert_eq!(hook.documents().len(), 1);
}

#[tokio::test]
async fn what_a_dead_process_had_in_hand_is_reported_by_another() {
    let (world, hook) = (world().await, Webhook::start().await);
    let notifiers = [Notifier::new(&hook.url(), None).unwrap()];
    check(&world, 11 * GB, &notifiers).await;
    let unit = world.store().operations().await.unwrap();
    let targets = [notifiers[0].target().to_owned()];
    let held = std::time::Duration::from_secs(90);
    unit.alerts().take_delivery(&targets, held).await.unwrap().unwrap();
    unit.commit().await.unwrap();

    assert_eq!(deliver(&world, &notifiers).await.len(), 1, "it is in another process's hands");
    world.env().forward(TimeDelta::seconds(91));
    assert!(deliver(&world, &notifiers).await.is_empty());
    assert_eq!(hook.documents().len(), 1);
}
