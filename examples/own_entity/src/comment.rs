//! Comments on requests: the entity, and the migration that creates its table.

use rylie_db::own::*;

id! {
    /// The id of a comment.
    CommentId
}

#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
#[sea_orm(table_name = "Comment", rename_all = "camelCase")]
#[tenant_owned(owner = "author_id", soft_delete, audited("body"))]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommentId,
    pub tenant_id: TenantId,
    pub request_id: RequestId,
    pub reply_to: Option<CommentId>,
    pub author_id: UserId,
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub phone: Option<SealedColumn>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted: bool,
    pub deleted_at: Option<Timestamp>,
    #[sea_orm(belongs_to, from = "request_id", to = "id")]
    pub request: HasOne<request::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

pub const CREATE_COMMENT: CreateTable = CreateTable::new("own_m20261201_000001_create_comment", || {
    NewTable::new("Comment")
        .belongs_to("requestId", "Request")
        .may_belong_to("replyTo", "Comment")
        .user("authorId")
        .text("body")
        .nullable("phone", ColumnKind::Text)
        .times()
        .soft_delete()
});
