//! The links between keywords and labels. A link is unique within the tenant.

use rylie_db::own::*;

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
#[sea_orm(table_name = "KeywordLabel", rename_all = "camelCase")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    pub tenant_id: TenantId,
    pub keyword_id: super::keyword::KeywordId,
    pub label_id: super::label::LabelId,
    #[sea_orm(belongs_to, from = "keyword_id", to = "id")]
    pub keyword: HasOne<super::keyword::Entity>,
    #[sea_orm(belongs_to, from = "label_id", to = "id")]
    pub label: HasOne<super::label::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
