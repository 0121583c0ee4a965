//! Comments on requests: the table in the database.

use rylie_db::own::*;

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
