//! A fourth service: parts with typed JSON and enumerations of numbers.

use rylie_db::own::*;
use serde::{Deserialize, Serialize};

/// The measures of a part.
#[derive(Clone, Debug, Deserialize, Eq, FromJsonQueryResult, PartialEq, Serialize)]
pub(crate) struct Size {
    pub(crate) width: i64,
    pub(crate) notes: Vec<String>,
}

/// How high a part lies.
#[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
#[sea_orm(rs_type = "i32", db_type = "Integer")]
pub(crate) enum Level {
    #[sea_orm(num_value = 1)]
    Low,
    #[sea_orm(num_value = 3)]
    High,
}

pub(crate) mod part {
    use super::{Level, Size};
    use rylie_db::own::*;

    id! {
        /// The id of a part.
        PartId
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Part", rename_all = "camelCase")]
    #[tenant_owned(max_bytes("shelf" = 8, "size" = 1_000))]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PartId,
        pub tenant_id: TenantId,
        #[sea_orm(column_type = "Text")]
        pub shelf: String,
        pub level: Level,
        pub former: Option<Level>,
        #[sea_orm(column_type = "JsonBinary")]
        pub size: Size,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub packed: Option<Size>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE_PART: CreateTable = CreateTable::new("own_m20261201_000001_create_part", || {
    NewTable::new("Part")
        .text("shelf")
        .column("level", ColumnKind::Integer)
        .nullable("former", ColumnKind::Integer)
        .column("size", ColumnKind::Json)
        .nullable("packed", ColumnKind::Json)
        .unique(&["shelf", "level"])
});

pub(crate) fn schema() -> Schema {
    Schema::new().table::<part::Entity>(&CREATE_PART)
}
