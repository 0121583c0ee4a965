//! Labels of keywords.

use rylie_db::own::*;

id! {
    /// The id of a label.
    LabelId
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
#[sea_orm(table_name = "Label", rename_all = "camelCase")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LabelId,
    pub tenant_id: TenantId,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub season: Option<String>,
    #[sea_orm(has_many, via = "keyword_label")]
    pub keywords: HasMany<super::keyword::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
