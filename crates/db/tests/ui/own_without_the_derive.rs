//! An entity that is not isolated is no own table.

mod comment {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, PartialEq)]
    #[sea_orm(table_name = "Comment", rename_all = "camelCase")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE: rylie_db::own::CreateTable =
    rylie_db::own::CreateTable::new("own_m1", || rylie_db::own::NewTable::new("Comment"));

fn main() {
    let _ = rylie_db::own::Schema::new().table::<comment::Entity>(&CREATE);
}
