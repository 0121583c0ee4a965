//! Compares a service's own table with the platform's `Task`. Both have the same columns.
//!
//! The calls alternate, so that the machine's load meets both. The ratio is that of the medians.

#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "the facade's module is made for it"))]

use std::time::Instant;

use rylie_db::Database;
use rylie_db::entities::{SystemEnv, Task, TaskStatus, TaskType};
use rylie_db::own::*;
use rylie_db::prelude::{Config, NewRequest, NewTask, RequestKind, TaskFilter, TenantScope};

use crate::measure::median;
use crate::service::Service;
use crate::{Result, settings};

mod item {
    use rylie_db::own::*;

    id! {
        /// The id of an item.
        ItemId
    }

    /// The columns of `Task`.
    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "BenchItem", rename_all = "camelCase")]
    #[tenant_owned(owner = "user_id", soft_delete)]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ItemId,
        pub user_id: UserId,
        pub request_id: RequestId,
        #[sea_orm(column_type = "Text")]
        pub title: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub description: Option<String>,
        #[sea_orm(column_type = "Text")]
        pub kind: String,
        #[sea_orm(column_type = "Text")]
        pub status: String,
        #[sea_orm(column_type = "Text")]
        pub priority: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub target_url: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub target_city: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub target_product: Option<String>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub keywords: Option<Json>,
        #[sea_orm(column_type = "Text", nullable)]
        pub completed_url: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub completed_title: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub completed_notes: Option<String>,
        pub due_date: Option<Timestamp>,
        pub started_at: Option<Timestamp>,
        pub completed_at: Option<Timestamp>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub metadata: Option<Json>,
        pub created_at: Timestamp,
        pub updated_at: Timestamp,
        pub tenant_id: TenantId,
        pub deleted: bool,
        pub deleted_at: Option<Timestamp>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE_ITEM: CreateTable = CreateTable::new("own_m20261201_000001_create_bench_item", || {
    let texts = ["description", "targetUrl", "targetCity", "targetProduct"];
    let more = ["completedUrl", "completedTitle", "completedNotes"];
    let mut table = NewTable::new("BenchItem").belongs_to("requestId", "Request").user("userId");
    for name in ["title", "kind", "status", "priority"] {
        table = table.text(name);
    }
    for name in texts.into_iter().chain(more) {
        table = table.nullable(name, ColumnKind::Text);
    }
    for name in ["dueDate", "startedAt", "completedAt"] {
        table = table.nullable(name, ColumnKind::Timestamp);
    }
    for name in ["keywords", "metadata"] {
        table = table.nullable(name, ColumnKind::Json);
    }
    table.times().soft_delete()
});

/// The repository, as a service has it.
#[async_trait]
trait ItemRepository: Send + Sync {
    async fn add(&self, request: &RequestId, title: &str) -> rylie_db::own::Result<item::Model>;
    async fn find(&self, id: &item::ItemId) -> rylie_db::own::Result<Option<item::Model>>;
    async fn list_after(
        &self,
        request: &RequestId,
        page: KeysetRequest,
    ) -> rylie_db::own::Result<KeysetPage<item::Model>>;
    async fn set_status(&self, id: &item::ItemId, status: &str) -> rylie_db::own::Result<item::Model>;
}

#[async_trait]
impl ItemRepository for OwnTables {
    async fn add(&self, request: &RequestId, title: &str) -> rylie_db::own::Result<item::Model> {
        let parent = self.require::<request::Entity>(request).await?;
        let row = item::ActiveModel {
            request_id: Set(parent.id),
            user_id: Set(parent.user_id),
            title: Set(title.to_owned()),
            kind: Set("BLOG".to_owned()),
            status: Set("PENDING".to_owned()),
            priority: Set("MEDIUM".to_owned()),
            ..Default::default()
        };
        self.of::<item::Entity>().add(row).await
    }

    async fn find(&self, id: &item::ItemId) -> rylie_db::own::Result<Option<item::Model>> {
        self.of::<item::Entity>().find(id).await
    }

    async fn list_after(
        &self,
        request: &RequestId,
        page: KeysetRequest,
    ) -> rylie_db::own::Result<KeysetPage<item::Model>> {
        self.of::<item::Entity>().filter(item::Column::RequestId.eq(request)).walk(&page).await
    }

    async fn set_status(&self, id: &item::ItemId, status: &str) -> rylie_db::own::Result<item::Model> {
        let before = self.of::<item::Entity>().get(id).await?;
        let set = item::ActiveModel {
            status: Set(status.to_owned()),
            started_at: Set(before.started_at.or(Some(SystemEnv.now().into()))),
            completed_at: Set(None),
            ..Default::default()
        };
        self.of::<item::Entity>().update(id, set).await
    }
}

repositories! {
    trait Items {
        items: ItemRepository;
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Read,
    Page,
    Add,
    Change,
}

/// Runs `rounds` of each call on both tables, and prints one line of JSON for each call.
pub(crate) async fn compare(rounds: usize) -> Result<()> {
    let schema = Schema::new().table::<item::Entity>(&CREATE_ITEM);
    let owner = Config::builder().set("database_url", settings::owner_url()?)?.build()?.with(schema.clone())?;
    Database::connect(owner).await?.migrate().await?;
    let service = Service::connect_with(schema).await?;
    let scope = service.scope(1).await?;
    let unit = service.store.tenant(&scope).await?;
    // A new one, so that its lists have the same length in each run.
    let new = NewRequest::new("own tables", RequestKind::Page);
    let request = unit.requests().add(new).await?.id;
    let (mut tasks, mut items) = (Vec::new(), Vec::new());
    for number in 0..200 {
        tasks.push(unit.tasks().add(&request, NewTask::new(format!("task {number}"), TaskType::Blog)).await?);
        items.push(unit.items().add(&request, &format!("item {number}")).await?);
    }
    unit.commit().await?;
    for call in [Call::Read, Call::Page, Call::Add, Call::Change] {
        let (mut ours, mut own) = (Vec::new(), Vec::new());
        for round in 0..rounds + rounds / 10 {
            let (task, item) = (&tasks[round % tasks.len()], &items[round % items.len()]);
            let warm = round >= rounds / 10;
            for of_own in if round % 2 == 0 { [true, false] } else { [false, true] } {
                let start = Instant::now();
                if of_own {
                    on_items(&service, &scope, &request, item, call).await?;
                } else {
                    on_tasks(&service, &scope, &request, task, call).await?;
                }
                let took = start.elapsed().as_secs_f64() * 1e3;
                if warm {
                    if of_own { own.push(took) } else { ours.push(took) }
                }
            }
        }
        let (ours, own) = (median(ours), median(own));
        println!(
            r#"{{"workload": "own_{}", "rounds": {rounds}, "ours_p50_ms": {ours:.4}, "own_p50_ms": {own:.4}, "ratio": {:.3}}}"#,
            format!("{call:?}").to_lowercase(),
            own / ours
        );
    }
    Ok(())
}

async fn on_tasks(service: &Service, scope: &TenantScope, request: &RequestId, task: &Task, call: Call) -> Result<()> {
    match call {
        Call::Read => drop(service.store.tenant(scope).read_only().autocommit().await?.tasks().find(&task.id).await?),
        Call::Page => {
            let unit = service.store.tenant(scope).read_only().await?;
            let filter = TaskFilter { request: Some(request.clone()), ..Default::default() };
            unit.tasks().list_after(filter, KeysetRequest::first(50)).await?;
        }
        Call::Add => {
            let unit = service.store.tenant(scope).await?;
            unit.tasks().add(request, NewTask::new("another", TaskType::Blog)).await?;
            unit.commit().await?;
        }
        Call::Change => {
            let unit = service.store.tenant(scope).await?;
            unit.tasks().set_status(&task.id, TaskStatus::InProgress).await?;
            unit.commit().await?;
        }
    }
    Ok(())
}

async fn on_items(
    service: &Service,
    scope: &TenantScope,
    request: &RequestId,
    item: &item::Model,
    call: Call,
) -> Result<()> {
    match call {
        Call::Read => drop(service.store.tenant(scope).read_only().autocommit().await?.items().find(&item.id).await?),
        Call::Page => {
            let unit = service.store.tenant(scope).read_only().await?;
            unit.items().list_after(request, KeysetRequest::first(50)).await?;
        }
        Call::Add => {
            let unit = service.store.tenant(scope).await?;
            unit.items().add(request, "another").await?;
            unit.commit().await?;
        }
        Call::Change => {
            let unit = service.store.tenant(scope).await?;
            unit.items().set_status(&item.id, "IN_PROGRESS").await?;
            unit.commit().await?;
        }
    }
    Ok(())
}
