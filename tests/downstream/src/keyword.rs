//! Keywords of a request, as a tree: an enumeration, a sealed column and a reference to the table itself.

use rylie_db::own::*;

id! {
    /// The id of a keyword.
    KeywordId
}

/// The purpose of a search.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Intent {
    #[sea_orm(string_value = "BUY")]
    Buy,
    #[sea_orm(string_value = "LEARN")]
    Learn,
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
#[sea_orm(table_name = "Keyword", rename_all = "camelCase")]
#[tenant_owned(owner = "author_id", soft_delete, audited("intent"))]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: KeywordId,
    pub tenant_id: TenantId,
    pub request_id: RequestId,
    pub parent_id: Option<KeywordId>,
    pub author_id: UserId,
    pub intent: Intent,
    pub former_intent: Option<Intent>,
    pub budget_cents: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub spellings: Json,
    pub note: Option<SealedColumn>,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted: bool,
    pub deleted_at: Option<Timestamp>,
    #[sea_orm(belongs_to, from = "request_id", to = "id")]
    pub request: HasOne<request::Entity>,
    #[sea_orm(self_ref, relation_enum = "Parent", from = "parent_id", to = "id")]
    pub parent: HasOne<Entity>,
    #[sea_orm(has_many, via = "keyword_label")]
    pub labels: HasMany<super::label::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
