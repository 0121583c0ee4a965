//! Decoding a row by column position and by column name gives the same result.

use rylie_db::entities::{PackageType, RequestPriority, RequestStatus, Timestamp, request, task, user};
use rylie_db::prelude::*;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, EntityTrait};
use serde_json::json;

use super::world;
use crate::support::rows::beside;

fn minute(world: &rylie_testkit::World, minute: i64) -> Timestamp {
    (world.env().now() + chrono::TimeDelta::minutes(minute)).into()
}

#[tokio::test]
async fn every_column_of_a_request_comes_from_its_place_whether_null_or_not() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (empty, full) = (agency.request().await.unwrap().id, agency.request().await.unwrap().id);
    let beside = beside(&world).await;
    let at = |number| Set(Some(minute(&world, number)));
    let row = request::ActiveModel {
        id: Set(full.clone()),
        title: Set("title".into()),
        description: Set("description".into()),
        kind: Set("kind".into()),
        priority: Set(RequestPriority::High),
        status: Set(RequestStatus::Completed),
        package_type: Set(Some(PackageType::Gold)),
        pages_completed: Set(1),
        blogs_completed: Set(2),
        gbp_posts_completed: Set(3),
        improvements_completed: Set(4),
        keywords: Set(Some(json!(["keyword"]))),
        target_url: Set(Some("target".into())),
        target_cities: Set(Some(json!(["city"]))),
        target_models: Set(Some(json!(["model"]))),
        completed_tasks: Set(Some(json!([{"task": 1}]))),
        content_url: Set(Some("content".into())),
        page_title: Set(Some("page".into())),
        completed_at: at(1),
        created_at: Set(minute(&world, 2)),
        updated_at: Set(minute(&world, 3)),
        seoworks_task_id: Set(Some("seoworks".into())),
        deleted_at: at(4),
        ..Default::default()
    };
    row.update(&beside).await.unwrap();

    let unit = agency.unit().await.unwrap();
    let listed = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().items;
    for id in [empty, full] {
        let by_name = request::Entity::find_by_id(id.clone()).one(&beside).await.unwrap().unwrap();
        assert_eq!(unit.requests().get(&id).await.unwrap(), by_name);
        assert!(listed.contains(&by_name));
    }
}

#[tokio::test]
async fn every_column_of_a_task_comes_from_its_place_whether_null_or_not() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let (empty, full) = (NewTask::new("empty", TaskType::Blog), NewTask::new("full", TaskType::GbpPost));
    let empty = unit.tasks().add(&request, empty).await.unwrap().id;
    let full = unit.tasks().add(&request, full).await.unwrap().id;
    unit.commit().await.unwrap();
    let beside = beside(&world).await;
    let text = |text: &str| Set(Some(text.to_owned()));
    let at = |number| Set(Some(minute(&world, number)));
    let row = task::ActiveModel {
        id: Set(full.clone()),
        description: text("description"),
        status: Set(TaskStatus::InProgress),
        priority: Set(RequestPriority::Low),
        target_url: text("target"),
        target_city: text("city"),
        target_model: text("model"),
        keywords: Set(Some(json!(["keyword"]))),
        completed_url: text("url"),
        completed_title: text("done"),
        completed_notes: text("notes"),
        due_date: at(1),
        started_at: at(2),
        completed_at: at(3),
        metadata: Set(Some(json!({"meta": true}))),
        created_at: Set(minute(&world, 4)),
        updated_at: Set(minute(&world, 5)),
        deleted_at: at(6),
        ..Default::default()
    };
    row.update(&beside).await.unwrap();

    let unit = agency.unit().await.unwrap();
    for id in [empty, full] {
        let by_name = task::Entity::find_by_id(id.clone()).one(&beside).await.unwrap().unwrap();
        assert_eq!(unit.tasks().find_many(&[id]).await.unwrap(), [by_name]);
    }
}

#[tokio::test]
async fn every_column_of_a_user_comes_from_its_place_whether_null_or_not() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (empty, full) = (agency.user().await.unwrap().user.id, agency.user().await.unwrap().user.id);
    let unit = agency.unit().await.unwrap();
    unit.api_keys().issue(&full).await.unwrap();
    unit.commit().await.unwrap();
    let beside = beside(&world).await;
    let at = |number| Set(Some(minute(&world, number)));
    let row = user::ActiveModel {
        id: Set(full.clone()),
        email_verified: at(1),
        name: Set(Some("name".into())),
        image: Set(Some("image".into())),
        onboarding_completed: Set(true),
        active_package_type: Set(Some(PackageType::Platinum)),
        current_billing_period_start: at(2),
        current_billing_period_end: at(3),
        pages_used_this_period: Set(1),
        blogs_used_this_period: Set(2),
        gbp_posts_used_this_period: Set(3),
        improvements_used_this_period: Set(4),
        created_at: Set(minute(&world, 4)),
        updated_at: Set(minute(&world, 5)),
        ..Default::default()
    };
    row.update(&beside).await.unwrap();

    let unit = agency.unit().await.unwrap();
    for id in [empty, full.clone()] {
        let by_name = user::Entity::find_by_id(id.clone()).one(&beside).await.unwrap().unwrap();
        assert_eq!(by_name.api_key.is_some(), id == full);
        assert!(unit.users().find(&id).await.unwrap() == Some(by_name));
    }
}
