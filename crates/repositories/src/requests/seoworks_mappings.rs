//! The SEOWorks task of each request.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use rylie_entities::seoworks_task_mapping::{ActiveModel, Column, Entity};
use rylie_entities::{Request, RequestId, SeoWorksTaskMapping, SeoWorksTaskMappingId, request};
use rylie_tenancy::Bulk;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};

use super::present_among;
use crate::limits::not_empty;
use crate::tx::Tx;
use crate::{BulkOutcome, KeysetPage, KeysetRequest, Page, PageRequest, Result};

/// Mappings between requests and SEOWorks tasks.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SeoWorksMappingRepository: Send + Sync {
    /// Returns the mapping of an SEOWorks task, or `None` if there is none within reach.
    async fn find_by_task(&self, seoworks_task: &str) -> Result<Option<SeoWorksTaskMapping>>;

    /// Returns one page, oldest first.
    async fn list(&self, page: PageRequest) -> Result<Page<SeoWorksTaskMapping>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, page: KeysetRequest) -> Result<KeysetPage<SeoWorksTaskMapping>>;

    /// Creates a mapping. Fails with [`Error::NotFound`](crate::Error::NotFound) if the request is not within reach,
    /// and with [`Error::Conflict`](crate::Error::Conflict) if the SEOWorks task is already mapped, possibly in another
    /// tenant. Fails with [`Error::Invalid`](crate::Error::Invalid) for a task's id that is empty or has more than
    /// 4,096 bytes.
    async fn add(&self, new: NewSeoWorksMapping) -> Result<SeoWorksTaskMapping>;

    /// Saves many mappings, all or none. An SEOWorks task that is already mapped moves to the new request. If a task is
    /// given twice, the last one counts. Mappings of a request that is not within reach, and tasks that are mapped for
    /// another tenant, are skipped and count as not found.
    ///
    /// Fails with [`Error::Invalid`](crate::Error::Invalid) as [`add`](Self::add) does.
    async fn save_many(&self, new: Vec<NewSeoWorksMapping>) -> Result<BulkOutcome>;

    /// Changes the status, as SEOWorks names it. Fails with [`Error::NotFound`](crate::Error::NotFound) if there is no
    /// such mapping within reach.
    async fn set_status(&self, id: &SeoWorksTaskMappingId, status: &str) -> Result<SeoWorksTaskMapping>;

    /// Removes a mapping. Fails with [`Error::NotFound`](crate::Error::NotFound) if there is none within reach.
    async fn remove(&self, id: &SeoWorksTaskMappingId) -> Result<()>;
}

/// A mapping to create.
#[derive(Clone, Debug)]
pub struct NewSeoWorksMapping {
    /// The request.
    pub request: RequestId,
    /// The task's id in SEOWorks; not empty.
    pub seoworks_task: String,
    /// The task's kind, as SEOWorks names it.
    pub kind: String,
}

impl NewSeoWorksMapping {
    /// Creates a mapping of an SEOWorks task to a request.
    pub fn new(request: RequestId, seoworks_task: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { request, seoworks_task: seoworks_task.into(), kind: kind.into() }
    }
}

#[async_trait]
impl SeoWorksMappingRepository for Tx {
    async fn find_by_task(&self, seoworks_task: &str) -> Result<Option<SeoWorksTaskMapping>> {
        self.rows::<Entity>().filter(Column::SeoworksTaskId.eq(seoworks_task)).at_once().one().await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<SeoWorksTaskMapping>> {
        self.of::<Entity>().oldest_first().list(page).await
    }

    async fn list_after(&self, page: KeysetRequest) -> Result<KeysetPage<SeoWorksTaskMapping>> {
        self.rows::<Entity>().walk(Order::Asc, &(), &page).await
    }

    async fn add(&self, new: NewSeoWorksMapping) -> Result<SeoWorksTaskMapping> {
        let request = self.of::<request::Entity>().get(&new.request).await?;
        self.insert::<Entity>(row(self, new, &request)?).await
    }

    async fn save_many(&self, new: Vec<NewSeoWorksMapping>) -> Result<BulkOutcome> {
        let by_task: BTreeMap<_, _> = new.into_iter().map(|new| (new.seoworks_task.clone(), new)).collect();
        let mut bulk = Bulk::begin(self, by_task.into_values().collect()).await?;
        while let Some(new) = bulk.next() {
            let asked = new.len();
            let requests = present_among(self, new.iter().map(|new| &new.request));
            let requests = requests.all().await?;
            let requests: HashMap<_, _> = requests.iter().map(|request| (&request.id, request)).collect();
            let mut rows = Vec::with_capacity(asked);
            for new in new {
                if let Some(request) = requests.get(&new.request) {
                    rows.push(row(self, new, request)?);
                }
            }
            let saved = self
                .upsert_many::<Entity>(
                    rows,
                    (&[Column::SeoworksTaskId], &[Column::SeoworksTaskId]),
                    &MOVED,
                    &Condition::all(),
                )
                .await?;
            bulk.done(asked, saved, saved);
        }
        bulk.finish().await
    }

    async fn set_status(&self, id: &SeoWorksTaskMappingId, status: &str) -> Result<SeoWorksTaskMapping> {
        let set = ActiveModel { status: Set(status.to_owned()), updated_at: Set(self.now()), ..Default::default() };
        self.of::<Entity>().update(id, set).await
    }

    async fn remove(&self, id: &SeoWorksTaskMappingId) -> Result<()> {
        self.delete_one::<Entity>(Column::Id.eq(id), "SEOWorksTaskMapping").await
    }
}

const MOVED: [Column; 4] = [Column::RequestId, Column::TenantId, Column::TaskType, Column::UpdatedAt];

fn row(tx: &Tx, new: NewSeoWorksMapping, request: &Request) -> Result<ActiveModel> {
    Ok(ActiveModel {
        id: Set(SeoWorksTaskMappingId::generate(tx.env())),
        tenant_id: Set(request.tenant_id.clone()),
        request_id: Set(request.id.clone()),
        seoworks_task_id: Set(not_empty("the task's id at SEOWorks", new.seoworks_task)?),
        task_type: Set(new.kind),
        status: Set("pending".to_owned()),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    })
}
