//! A tenant cannot be invented from text.

mod comment {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Comment", rename_all = "camelCase")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub tenant_id: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
