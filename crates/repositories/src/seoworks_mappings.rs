//! Which task at SEOWorks serves which request.

use async_trait::async_trait;
use rylie_entities::seoworks_task_mapping::{ActiveModel, Column, Entity};
use rylie_entities::{RequestId, SeoWorksTaskMapping, SeoWorksTaskMappingId, request};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::Order;

use crate::fence::Tx;
use crate::requests::{self, not_empty};
use crate::{Page, PageRequest, Result};

/// Mappings between requests and tasks at SEOWorks.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SeoWorksMappingRepository: Send + Sync {
    /// The mapping of a task at SEOWorks, or `None` if there is none within reach.
    async fn find_by_task(&self, seoworks_task: &str) -> Result<Option<SeoWorksTaskMapping>>;

    /// The oldest first.
    async fn list(&self, page: PageRequest) -> Result<Page<SeoWorksTaskMapping>>;

    /// Makes a mapping. [`Error::NotFound`](crate::Error::NotFound) if the request is not within reach,
    /// [`Error::Conflict`](crate::Error::Conflict) if the task at SEOWorks is mapped already.
    async fn add(&self, new: NewSeoWorksMapping) -> Result<SeoWorksTaskMapping>;

    /// Changes the status, in SEOWorks' words.
    async fn set_status(&self, id: SeoWorksTaskMappingId, status: &str) -> Result<SeoWorksTaskMapping>;

    /// Removes a mapping.
    async fn remove(&self, id: SeoWorksTaskMappingId) -> Result<()>;
}

/// A mapping to be made.
#[derive(Clone, Debug)]
pub struct NewSeoWorksMapping {
    /// The request it serves.
    pub request: RequestId,
    /// The task's id at SEOWorks; not empty.
    pub seoworks_task: String,
    /// The kind of work, in SEOWorks' words.
    pub kind: String,
}

#[async_trait]
impl SeoWorksMappingRepository for Tx {
    async fn find_by_task(&self, seoworks_task: &str) -> Result<Option<SeoWorksTaskMapping>> {
        self.rows::<Entity>().filter(Column::SeoworksTaskId.eq(seoworks_task)).one().await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<SeoWorksTaskMapping>> {
        self.rows::<Entity>().order(Order::Asc, Column::CreatedAt, Column::Id).page(page).await
    }

    async fn add(&self, new: NewSeoWorksMapping) -> Result<SeoWorksTaskMapping> {
        let request = self.rows::<request::Entity>().filter(requests::present(&new.request)).get("Request").await?;
        let row = ActiveModel {
            id: Set(SeoWorksTaskMappingId::generate(self.env())),
            tenant_id: Set(request.tenant_id),
            request_id: Set(request.id),
            seoworks_task_id: Set(not_empty("the task's id at SEOWorks", new.seoworks_task)?),
            task_type: Set(new.kind),
            status: Set("pending".to_owned()),
            created_at: Set(self.now()),
            updated_at: Set(self.now()),
        };
        self.insert::<Entity>(row).await
    }

    async fn set_status(&self, id: SeoWorksTaskMappingId, status: &str) -> Result<SeoWorksTaskMapping> {
        let set = ActiveModel { status: Set(status.to_owned()), updated_at: Set(self.now()), ..Default::default() };
        self.update_one::<Entity>(set, Column::Id.eq(id), "SEOWorksTaskMapping").await
    }

    async fn remove(&self, id: SeoWorksTaskMappingId) -> Result<()> {
        self.delete_one::<Entity>(Column::Id.eq(id), "SEOWorksTaskMapping").await
    }
}
