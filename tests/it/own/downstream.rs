//! A second service: notes that may refer to another note, tags, and the links between them.

use rylie_db::own::*;

pub(crate) mod note {
    use rylie_db::own::*;

    id! {
        /// The id of a note.
        NoteId
    }

    /// The state of a note.
    #[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub(crate) enum State {
        #[sea_orm(string_value = "OPEN")]
        Open,
        #[sea_orm(string_value = "DONE")]
        Done,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Note", rename_all = "camelCase")]
    #[tenant_owned(sort = "rank", audited("state", "cents"))]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: NoteId,
        pub tenant_id: TenantId,
        pub after: Option<NoteId>,
        pub state: State,
        pub rank: i64,
        pub cents: i64,
        pub share: f64,
        pub pinned: bool,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub colours: Option<Json>,
        pub due: Option<Timestamp>,
        pub secret: Option<SealedColumn>,
        #[sea_orm(column_type = "Text")]
        pub title: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod tag {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Tag", rename_all = "camelCase")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        #[sea_orm(column_type = "Text")]
        pub name: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod note_tag {
    use rylie_db::own::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "NoteTag", rename_all = "camelCase")]
    #[tenant_owned(append_only)]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub note_id: super::note::NoteId,
        #[sea_orm(column_type = "Text")]
        pub tag_id: String,
        #[sea_orm(belongs_to, from = "note_id", to = "id")]
        pub note: HasOne<super::note::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub tag: HasOne<super::tag::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE_NOTE: CreateTable = CreateTable::new("own_m20261201_000001_create_note", || {
    NewTable::new("Note")
        .may_belong_to("after", "Note")
        .column("state", ColumnKind::Labels(&["OPEN", "DONE"]))
        .column("rank", ColumnKind::BigInteger)
        .column("cents", ColumnKind::BigInteger)
        .column("share", ColumnKind::Double)
        .column("pinned", ColumnKind::Boolean)
        .nullable("colours", ColumnKind::Json)
        .nullable("due", ColumnKind::Timestamp)
        .nullable("secret", ColumnKind::Text)
        .text("title")
        .index(&["rank", "id"])
});

const CREATE_TAG: CreateTable =
    CreateTable::new("own_m20261201_000002_create_tag", || NewTable::new("Tag").text("name").unique(&["name"]));

const CREATE_NOTE_TAG: CreateTable = CreateTable::new("own_m20261201_000003_create_note_tag", || {
    NewTable::new("NoteTag")
        .belongs_to("noteId", "Note")
        .belongs_to("tagId", "Tag")
        .unique(&["noteId", "tagId"])
        .append_only()
});

pub(crate) fn schema() -> Schema {
    Schema::new()
        .table::<note::Entity>(&CREATE_NOTE)
        .table::<tag::Entity>(&CREATE_TAG)
        .table::<note_tag::Entity>(&CREATE_NOTE_TAG)
}

pub(crate) use rylie_testkit::own::tables;

pub(crate) fn new_note(title: &str, rank: i64) -> note::ActiveModel {
    note::ActiveModel {
        state: Set(note::State::Open),
        rank: Set(rank),
        cents: Set(1_999),
        share: Set(0.5),
        pinned: Set(false),
        title: Set(title.to_owned()),
        ..Default::default()
    }
}
