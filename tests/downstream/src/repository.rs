//! The repository of keywords.

use rylie_db::own::sea_orm::sea_query::ExprTrait;
use rylie_db::own::*;

use crate::keyword::{ActiveModel, Column, Entity, Intent, KeywordId, Model};
use crate::{keyword_label, label, ranking};

/// A keyword to add.
#[derive(Clone, Debug)]
pub struct NewKeyword {
    pub request: RequestId,
    pub parent: Option<KeywordId>,
    pub intent: Intent,
    pub text: String,
    pub note: Option<Secret<String>>,
}

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait KeywordRepository: Send + Sync {
    async fn add(&self, new: NewKeyword) -> Result<Model>;
    async fn set_intent(&self, id: &KeywordId, intent: Intent) -> Result<Model>;
    async fn set_budget(&self, id: &KeywordId, cents: i64) -> Result<Model>;
    /// Takes cents from the budget. Fails with [`Error::NotFound`] if there is less.
    async fn spend(&self, id: &KeywordId, cents: i64) -> Result<Model>;
    async fn note(&self, id: &KeywordId) -> Result<Option<Secret<String>>>;
    async fn walk(&self, request: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>>;
    async fn search(&self, part: &str, page: PageRequest) -> Result<Page<Model>>;
    /// Returns the parent of each keyword.
    async fn parents(&self, of: &[Model]) -> Result<Vec<Option<Model>>>;
    /// Adds a label by its name, unless the keyword has it.
    async fn label(&self, id: &KeywordId, name: &str) -> Result<()>;
    /// Returns the labels of each keyword.
    async fn labels(&self, of: &[Model]) -> Result<Vec<Vec<label::Model>>>;
    async fn rankings(&self, of: &[Model]) -> Result<Vec<Vec<ranking::Model>>>;
    async fn remove(&self, id: &KeywordId) -> Result<()>;
}

#[async_trait]
impl KeywordRepository for OwnTables {
    async fn add(&self, new: NewKeyword) -> Result<Model> {
        self.require::<request::Entity>(&new.request).await?;
        let id: KeywordId = self.new_id();
        let note = new.note.map(|note| self.seal::<Entity>(Column::Note, &id, &note)).transpose()?;
        let row = ActiveModel {
            id: Set(id),
            request_id: Set(new.request),
            parent_id: Set(new.parent),
            intent: Set(new.intent),
            budget_cents: Set(0),
            spellings: Set(Json::Array(vec![new.text.to_lowercase().into()])),
            note: Set(note),
            text: Set(new.text),
            ..Default::default()
        };
        self.of::<Entity>().add(row).await
    }

    async fn set_intent(&self, id: &KeywordId, intent: Intent) -> Result<Model> {
        let former = self.of::<Entity>().get(id).await?.intent;
        let set = ActiveModel { intent: Set(intent), former_intent: Set(Some(former)), ..Default::default() };
        self.of::<Entity>().update(id, set).await
    }

    async fn set_budget(&self, id: &KeywordId, cents: i64) -> Result<Model> {
        self.of::<Entity>().update(id, ActiveModel { budget_cents: Set(cents), ..Default::default() }).await
    }

    async fn spend(&self, id: &KeywordId, cents: i64) -> Result<Model> {
        let less = Column::BudgetCents.into_expr().sub(cents);
        self.of::<Entity>().filter(Column::BudgetCents.gte(cents)).update_expr(id, Column::BudgetCents, less).await
    }

    async fn note(&self, id: &KeywordId) -> Result<Option<Secret<String>>> {
        let keyword = self.of::<Entity>().get(id).await?;
        keyword.note.map(|note| self.open::<Entity>(Column::Note, id, &note)).transpose()
    }

    async fn walk(&self, request: &RequestId, page: KeysetRequest) -> Result<KeysetPage<Model>> {
        self.of::<Entity>().filter(Column::RequestId.eq(request)).walk(&page).await
    }

    async fn search(&self, part: &str, page: PageRequest) -> Result<Page<Model>> {
        let wanted = Condition::any().add(Column::Text.contains(part)).add(Column::Intent.eq(Intent::Buy));
        self.of::<Entity>().filter(wanted).order_by(Column::Text, Order::Asc).list(page).await
    }

    async fn parents(&self, of: &[Model]) -> Result<Vec<Option<Model>>> {
        self.of::<Entity>().parents_by::<Entity>(Column::ParentId, of).await
    }

    async fn label(&self, id: &KeywordId, name: &str) -> Result<()> {
        let row = label::ActiveModel { name: Set(name.to_owned()), ..Default::default() };
        let label = self.of::<label::Entity>().upsert(row, &[label::Column::Name], &[label::Column::Name]).await?;
        let (keyword_id, label_id) = (Set(id.clone()), Set(label.id));
        let link = keyword_label::ActiveModel { keyword_id, label_id, ..Default::default() };
        self.of::<keyword_label::Entity>().add_unless_there(link).await.map(drop)
    }

    async fn labels(&self, of: &[Model]) -> Result<Vec<Vec<label::Model>>> {
        self.of::<Entity>().linked::<keyword_label::Entity, label::Entity>(of).await
    }

    async fn rankings(&self, of: &[Model]) -> Result<Vec<Vec<ranking::Model>>> {
        self.of::<Entity>().children::<ranking::Entity>(of).await
    }

    async fn remove(&self, id: &KeywordId) -> Result<()> {
        self.of::<Entity>().remove(id).await
    }
}

repositories! {
    /// The service's repositories.
    pub trait Keywords {
        /// The keywords of the tenant's requests.
        keywords: KeywordRepository;
    }
}
