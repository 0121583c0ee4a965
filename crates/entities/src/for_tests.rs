//! Rows for tests that need no database. Change the fields that a test is about.
//!
//! ```
//! use rylie_entities::{Request, RequestStatus};
//!
//! let request = Request { status: RequestStatus::Completed, ..Request::for_tests("r1") };
//! assert_eq!(request.id.as_str(), "r1");
//! ```

use chrono::DateTime;
use serde_json::{Map, Value as Json};

use crate::{
    Agency, AgencyId, Request, RequestId, RequestPriority, RequestStatus, Task, TaskId, TaskStatus, TaskType, TenantId,
    Timestamp, User, UserId, UserRole,
};

const USER: &str = "u1";

/// 2026-01-01T00:00:00.000Z.
fn new_year() -> Timestamp {
    DateTime::from_timestamp_millis(1_767_225_600_000).unwrap_or_default().into()
}

impl Agency {
    /// Creates an agency with this id for a test, without a domain and settings.
    #[must_use]
    pub fn for_tests(id: &str) -> Self {
        let id = AgencyId::for_tests(id);
        Self {
            tenant_id: TenantId::of_agency(&id),
            id,
            name: "An agency".to_owned(),
            domain: None,
            settings: Json::Object(Map::new()),
            created_at: new_year(),
            updated_at: new_year(),
        }
    }
}

impl User {
    /// Creates a user with this id for a test: role `USER`, no agency, no package.
    #[must_use]
    pub fn for_tests(id: &str) -> Self {
        let id = UserId::for_tests(id);
        Self {
            tenant_id: TenantId::of_user(&id, None),
            email: format!("{id}@example.com"),
            id,
            email_verified: None,
            name: None,
            image: None,
            role: UserRole::User,
            agency_id: None,
            api_key: None,
            api_key_created_at: None,
            onboarding_completed: false,
            active_package_type: None,
            current_billing_period_start: None,
            current_billing_period_end: None,
            pages_used_this_period: 0,
            blogs_used_this_period: 0,
            gbp_posts_used_this_period: 0,
            improvements_used_this_period: 0,
            created_at: new_year(),
            updated_at: new_year(),
            api_key_index: None,
        }
    }
}

impl Request {
    /// Creates a pending request with this id for a test, of the user `u1` without an agency.
    #[must_use]
    pub fn for_tests(id: &str) -> Self {
        let user_id = UserId::for_tests(USER);
        Self {
            id: RequestId::for_tests(id),
            tenant_id: TenantId::of_user(&user_id, None),
            user_id,
            agency_id: None,
            title: "A request".to_owned(),
            description: String::new(),
            kind: "page".to_owned(),
            priority: RequestPriority::Medium,
            status: RequestStatus::Pending,
            package_type: None,
            pages_completed: 0,
            blogs_completed: 0,
            gbp_posts_completed: 0,
            improvements_completed: 0,
            keywords: None,
            target_url: None,
            target_cities: None,
            target_models: None,
            completed_tasks: None,
            content_url: None,
            page_title: None,
            completed_at: None,
            created_at: new_year(),
            updated_at: new_year(),
            seoworks_task_id: None,
            deleted: false,
            deleted_at: None,
        }
    }
}

impl Task {
    /// Creates a pending task with this id for a test, of the request `r1` and the user `u1`.
    #[must_use]
    pub fn for_tests(id: &str) -> Self {
        let user_id = UserId::for_tests(USER);
        Self {
            id: TaskId::for_tests(id),
            tenant_id: TenantId::of_user(&user_id, None),
            user_id,
            request_id: RequestId::for_tests("r1"),
            title: "A task".to_owned(),
            description: None,
            kind: TaskType::Page,
            status: TaskStatus::Pending,
            priority: RequestPriority::Medium,
            target_url: None,
            target_city: None,
            target_model: None,
            keywords: None,
            completed_url: None,
            completed_title: None,
            completed_notes: None,
            due_date: None,
            started_at: None,
            completed_at: None,
            metadata: None,
            created_at: new_year(),
            updated_at: new_year(),
            deleted: false,
            deleted_at: None,
        }
    }
}
