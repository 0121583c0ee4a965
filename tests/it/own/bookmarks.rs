//! A third service: bookmarks that follow their user, and stars that stay when their giver leaves.

use rylie_db::own::*;

pub(crate) mod bookmark {
    use rylie_db::own::*;

    id! {
        /// The id of a bookmark.
        BookmarkId
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Bookmark", rename_all = "camelCase")]
    #[tenant_owned(owner = "user_id")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: BookmarkId,
        pub tenant_id: TenantId,
        pub user_id: UserId,
        #[sea_orm(column_type = "Text")]
        pub url: String,
        pub rating: Option<i32>,
        pub note: Option<SealedColumn>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod star {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Star", rename_all = "camelCase")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub given_by: Option<UserId>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE_BOOKMARK: CreateTable = CreateTable::new("own_m20261201_000001_create_bookmark", || {
    NewTable::new("Bookmark")
        .follows_user("userId")
        .text("url")
        .nullable("rating", ColumnKind::Integer)
        .nullable("note", ColumnKind::Text)
        .unique(&["userId", "url"])
});

const CREATE_STAR: CreateTable =
    CreateTable::new("own_m20261201_000002_create_star", || NewTable::new("Star").optional_user("givenBy"));

pub(crate) fn schema() -> Schema {
    Schema::new().table::<bookmark::Entity>(&CREATE_BOOKMARK).table::<star::Entity>(&CREATE_STAR)
}
