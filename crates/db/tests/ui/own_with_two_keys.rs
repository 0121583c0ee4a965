//! A link between two tables has a key as every table.

mod link {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "NoteTag", rename_all = "camelCase")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub note_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: String,
        pub tenant_id: TenantId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
