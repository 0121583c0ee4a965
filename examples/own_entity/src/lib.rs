//! Comments on requests: the repository, and the registration of everything.

pub mod comment;
mod migration;

use std::collections::BTreeMap;

use comment::{ActiveModel, Column, CommentId, Entity, Model};
use rylie_db::entities::RequestId;
use rylie_db::own::*;

/// The service's own tables.
pub fn schema() -> Schema {
    Schema::new().table::<Entity>(&migration::CREATE_COMMENT)
}

/// A new comment, or a reply to one.
#[derive(Clone, Debug)]
pub struct NewComment {
    pub request: RequestId,
    pub reply_to: Option<CommentId>,
    pub body: String,
    pub phone: Option<Secret<String>>,
}

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait CommentRepository: Send + Sync {
    async fn add(&self, new: NewComment) -> Result<Model>;
    async fn list(&self, request: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>>;
    async fn replies(&self, to: &[CommentId]) -> Result<BTreeMap<String, Vec<Model>>>;
    async fn phone(&self, id: &CommentId) -> Result<Option<Secret<String>>>;
    async fn remove(&self, id: &CommentId) -> Result<()>;
    /// Returns the number of comments on each request.
    async fn report(&self) -> Result<BTreeMap<String, u64>>;
}

#[async_trait]
impl CommentRepository for OwnTables {
    async fn add(&self, new: NewComment) -> Result<Model> {
        self.require::<request::Entity>(&new.request).await?;
        let id: CommentId = self.new_id();
        let phone = new.phone.map(|phone| self.seal::<Entity>(Column::Phone, &id, &phone)).transpose()?;
        let mut row =
            ActiveModel { id: Set(id), request_id: Set(new.request), body: Set(new.body), ..Default::default() };
        (row.reply_to, row.phone) = (Set(new.reply_to), Set(phone));
        self.of::<Entity>().add(row).await
    }

    async fn list(&self, request: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>> {
        self.of::<Entity>().filter(Column::RequestId.eq(request)).walk(&page).await
    }

    async fn replies(&self, to: &[CommentId]) -> Result<BTreeMap<String, Vec<Model>>> {
        self.of::<Entity>().oldest_first().grouped_by(Column::ReplyTo, to).await
    }

    async fn phone(&self, id: &CommentId) -> Result<Option<Secret<String>>> {
        let comment = self.of::<Entity>().get(id).await?;
        comment.phone.map(|phone| self.open::<Entity>(Column::Phone, id, &phone)).transpose()
    }

    async fn remove(&self, id: &CommentId) -> Result<()> {
        self.of::<Entity>().remove(id).await
    }

    async fn report(&self) -> Result<BTreeMap<String, u64>> {
        self.of::<Entity>().count_by(Column::RequestId).await
    }
}

repositories! {
    pub trait Comments {
        comments: CommentRepository;
    }
}
