//! Rankings of keywords, in SeaORM's other form: a struct of columns, and relations as an enumeration. Rows are only
//! added.

use rylie_db::own::{sea_orm, *};

use super::keyword;

#[derive(Clone, Debug, DeriveEntityModel, PartialEq, TenantOwned)]
#[sea_orm(table_name = "Ranking")]
#[tenant_owned(sort = "measured_at", append_only)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    #[sea_orm(column_name = "tenantId")]
    pub tenant_id: TenantId,
    #[sea_orm(column_name = "keywordId")]
    pub keyword_id: keyword::KeywordId,
    #[sea_orm(column_name = "taskId")]
    pub task_id: Option<TaskId>,
    pub position: i32,
    pub share: f64,
    #[sea_orm(column_name = "measuredAt")]
    pub measured_at: Timestamp,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {
    #[sea_orm(belongs_to = "keyword::Entity", from = "Column::KeywordId", to = "keyword::Column::Id")]
    Keyword,
}

impl Related<keyword::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Keyword.def()
    }
}

/// The other direction. A field of SeaORM's dense form relates to an entity of that form only.
impl Related<Entity> for keyword::Entity {
    fn to() -> RelationDef {
        Relation::Keyword.def().rev()
    }
}

impl ActiveModelBehavior for ActiveModel {}
