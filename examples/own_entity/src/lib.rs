//! Comments on requests: the repository, and the registration of everything.

pub mod comment;

use std::collections::BTreeMap;

use comment::{ActiveModel, CREATE_COMMENT, Column, CommentId, Entity, Model};
use rylie_db::own::*;

/// The service's own tables.
pub fn schema() -> Schema {
    Schema::new().table::<Entity>(&CREATE_COMMENT)
}

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait CommentRepository: Send + Sync {
    async fn add(&self, on: &RequestId, reply_to: Option<CommentId>, body: &str) -> Result<Model>;
    async fn set_phone(&self, id: &CommentId, phone: &Secret<String>) -> Result<Model>;
    async fn phone(&self, id: &CommentId) -> Result<Option<Secret<String>>>;
    async fn list(&self, on: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>>;
    async fn replies(&self, to: &[CommentId]) -> Result<BTreeMap<String, Vec<Model>>>;
    async fn remove(&self, id: &CommentId) -> Result<()>;
    async fn report(&self) -> Result<BTreeMap<String, u64>>;
}

#[async_trait]
impl CommentRepository for OwnTables {
    async fn add(&self, on: &RequestId, reply_to: Option<CommentId>, body: &str) -> Result<Model> {
        self.require::<request::Entity>(on).await?;
        let (on, body) = (Set(on.clone()), Set(body.to_owned()));
        let row = ActiveModel { request_id: on, reply_to: Set(reply_to), body, ..Default::default() };
        self.of::<Entity>().add(row).await
    }

    async fn set_phone(&self, id: &CommentId, phone: &Secret<String>) -> Result<Model> {
        let phone = self.seal::<Entity>(Column::Phone, id, phone)?;
        self.of::<Entity>().update(id, ActiveModel { phone: Set(Some(phone)), ..Default::default() }).await
    }

    async fn phone(&self, id: &CommentId) -> Result<Option<Secret<String>>> {
        let comment = self.of::<Entity>().get(id).await?;
        comment.phone.map(|phone| self.open::<Entity>(Column::Phone, id, &phone)).transpose()
    }

    async fn list(&self, on: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>> {
        self.of::<Entity>().filter(Column::RequestId.eq(on)).walk(&page).await
    }

    async fn replies(&self, to: &[CommentId]) -> Result<BTreeMap<String, Vec<Model>>> {
        self.of::<Entity>().oldest_first().grouped_by(Column::ReplyTo, to).await
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

/// Returns the request with the most comments.
pub async fn busiest(unit: &dyn TenantUnit) -> Result<Option<String>> {
    Ok(unit.comments().report().await?.into_iter().max_by_key(|(_, comments)| *comments).map(|(id, _)| id))
}

#[cfg(test)]
#[tokio::test]
async fn the_busiest_request_has_the_most_comments() {
    let (mut unit, mut comments) = (MockTenantUnit::default(), MockCommentRepository::new());
    comments.expect_report().returning(|| Ok([("a".into(), 1), ("b".into(), 3)].into()));
    unit.own.set::<dyn CommentRepository>(Box::new(comments));
    assert_eq!(busiest(&unit).await.unwrap().as_deref(), Some("b"));
}
