//! Each part that a service forgets is named.

use rylie_db::Config;
use rylie_db::NewMigration;
use rylie_db::own::*;
use rylie_testkit::World;
use rylie_testkit::own::problems;

use super::comments::{self, comment};

mod note {
    use rylie_db::own::*;

    id! {
        /// The id of a note.
        NoteId
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Draft", rename_all = "camelCase")]
    #[tenant_owned(owner = "author_id")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: NoteId,
        pub tenant_id: TenantId,
        pub request_id: RequestId,
        pub above: Option<NoteId>,
        pub author_id: UserId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod log {
    use rylie_db::own::*;

    /// Refers to a draft by a relation; its type is a text.
    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "DraftLog", rename_all = "camelCase")]
    #[tenant_owned(append_only)]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        #[sea_orm(column_type = "Text")]
        pub draft_id: String,
        #[sea_orm(belongs_to, from = "draft_id", to = "id")]
        pub draft: HasOne<super::note::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Everything that the two entities need.
const WHOLE: CreateTable = CreateTable::new("own_m20261201_000001_create_draft", || {
    NewTable::new("Draft").belongs_to("requestId", "Request").may_belong_to("above", "Draft").user("authorId")
});
const WHOLE_LOG: CreateTable = CreateTable::new("own_m20261201_000002_create_draft_log", || {
    NewTable::new("DraftLog").belongs_to("draftId", "Draft").append_only()
});

/// The same columns without keys, with soft delete, and with rows that may change.
const BARE: CreateTable = CreateTable::new("own_m20261201_000001_create_draft", || {
    NewTable::new("Draft").text("requestId").nullable("above", ColumnKind::Text).text("authorId").soft_delete()
});
const BARE_LOG: CreateTable =
    CreateTable::new("own_m20261201_000002_create_draft_log", || NewTable::new("DraftLog").text("draftId"));

fn schema(draft: &'static CreateTable, log: &'static CreateTable) -> Schema {
    Schema::new().table::<note::Entity>(draft).table::<log::Entity>(log)
}

async fn is_named(whole: World, bare: World) {
    assert_eq!(problems::<note::Entity>(&whole).await.unwrap(), Vec::<String>::new());
    assert_eq!(problems::<log::Entity>(&whole).await.unwrap(), Vec::<String>::new());
    let mut found = problems::<note::Entity>(&bare).await.unwrap();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "missing `soft_delete` in the entity: the table has its columns",
            "missing the foreign key of above to Draft",
            "missing the foreign key of authorId to User",
            "missing the foreign key of requestId to Request",
        ]
    );
    let found = problems::<log::Entity>(&bare).await.unwrap();
    assert!(found.contains(&"missing the foreign key of draftId to Draft".to_owned()), "{found:?}");
    if bare.is_postgres() {
        for right in ["UPDATE", "DELETE"] {
            let refusal = format!("missing the refusal of {right} by tenant units");
            assert!(found.iter().any(|part| part.starts_with(&refusal)), "{found:?}");
        }
    } else {
        let side = "missing `append_only` in the migration: the entity has it";
        assert!(found.iter().any(|part| part == side), "{found:?}");
    }
}

#[tokio::test]
async fn a_migration_without_the_keys_of_its_entity_lacks_each_by_name_on_sqlite() {
    let bare = World::sqlite_with(schema(&BARE, &BARE_LOG)).await.unwrap();
    is_named(World::sqlite_with(schema(&WHOLE, &WHOLE_LOG)).await.unwrap(), bare).await;
}

#[tokio::test]
async fn a_migration_without_the_keys_of_its_entity_lacks_each_by_name_on_postgres() {
    let bare = World::postgres_with(schema(&BARE, &BARE_LOG)).await.unwrap();
    is_named(World::postgres_with(schema(&WHOLE, &WHOLE_LOG)).await.unwrap(), bare).await;
}

/// A draft that follows another user, and has a column that the entity lacks.
const OTHER: CreateTable = CreateTable::new("own_m20261201_000001_create_draft", || {
    NewTable::new("Draft")
        .belongs_to("requestId", "Request")
        .may_belong_to("above", "Draft")
        .user("authorId")
        .follows_user("ownerId")
        .text("subject")
});

/// The table of comments without its soft delete.
fn comment_table() -> NewTable {
    NewTable::new("Comment")
        .belongs_to("requestId", "Request")
        .may_belong_to("replyTo", "Comment")
        .user("authorId")
        .text("body")
        .nullable("phone", ColumnKind::Text)
        .times()
}

/// A comment with hand-made columns of soft delete.
const HAND_MADE: CreateTable = CreateTable::new("own_m20261201_000001_create_comment", || {
    comment_table().column("deleted", ColumnKind::Boolean).nullable("deletedAt", ColumnKind::Timestamp)
});

async fn attributes_are_named(draft: World, comment: World) {
    let mut found = problems::<note::Entity>(&draft).await.unwrap();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "missing `owner` in the entity: its rows belong to the user in ownerId",
            "missing ownerId in the entity: the table requires it",
            "missing subject in the entity: the table requires it",
        ]
    );
    let found = problems::<comment::Entity>(&comment).await.unwrap();
    assert_eq!(found, ["missing `soft_delete` in the migration: the entity has it"]);
}

#[tokio::test]
async fn an_attribute_that_one_side_lacks_is_named_on_sqlite() {
    let draft = World::sqlite_with(Schema::new().table::<note::Entity>(&OTHER)).await.unwrap();
    attributes_are_named(draft, World::sqlite_with(Schema::new().table::<comment::Entity>(&HAND_MADE)).await.unwrap())
        .await;
}

#[tokio::test]
async fn an_attribute_that_one_side_lacks_is_named_on_postgres() {
    let draft = World::postgres_with(Schema::new().table::<note::Entity>(&OTHER)).await.unwrap();
    attributes_are_named(
        draft,
        World::postgres_with(Schema::new().table::<comment::Entity>(&HAND_MADE)).await.unwrap(),
    )
    .await;
}

const ONLY_ADDED: CreateTable =
    CreateTable::new("own_m20261201_000001_create_comment", || comment_table().soft_delete().append_only());

#[tokio::test]
async fn a_table_that_units_cannot_change_is_named() {
    let world = World::postgres_with(Schema::new().table::<comment::Entity>(&ONLY_ADDED)).await.unwrap();
    let found = problems::<comment::Entity>(&world).await.unwrap();
    assert_eq!(found, ["missing the grant of UPDATE to rylie_tenant", "missing the grant of DELETE to rylie_tenant"]);
    let world = World::postgres_with(comments::schema()).await.unwrap();
    assert_eq!(problems::<comment::Entity>(&world).await.unwrap(), Vec::<String>::new());
}

mod native {
    use rylie_db::own::*;

    #[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "Mood")]
    pub(super) enum Mood {
        #[sea_orm(string_value = "GLAD")]
        Glad,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Moody", rename_all = "camelCase")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub mood: Mood,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const CREATE_MOODY: CreateTable = CreateTable::new("own_m20261201_000001_create_moody", || {
    NewTable::new("Moody").column("mood", ColumnKind::Labels(&["GLAD"]))
});

#[test]
fn an_enumeration_of_postgres_is_refused_with_the_one_to_use() {
    let schema = Schema::new().table::<native::Entity>(&CREATE_MOODY);
    let refused = Config::new("sqlite::memory:").unwrap().with(schema).unwrap_err().to_string();
    assert!(refused.contains("Moody") && refused.contains("db_type = \"Text\""), "{refused}");
}

mod mooded {
    use rylie_db::own::*;

    #[derive(Clone, Copy, Debug, DeriveActiveEnum, EnumIter, Eq, PartialEq)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub(super) enum Mood {
        #[sea_orm(string_value = "GLAD")]
        Glad,
        #[sea_orm(string_value = "CALM")]
        Calm,
        #[sea_orm(string_value = "CROSS")]
        Cross,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "Mooded", rename_all = "camelCase")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub mood: Mood,
        pub former: Option<Mood>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

macro_rules! create_mooded {
    ($name:ident, $table:expr) => {
        const $name: CreateTable = CreateTable::new("own_m20261201_000001_create_mooded", || $table);
    };
}
create_mooded!(
    ALL_MOODS,
    NewTable::new("Mooded")
        .column("mood", ColumnKind::Labels(&["GLAD", "CALM", "CROSS"]))
        .nullable("former", ColumnKind::Labels(&["CROSS", "GLAD", "CALM"]))
);
create_mooded!(
    TWO_MOODS,
    NewTable::new("Mooded").column("mood", ColumnKind::Labels(&["GLAD", "CALM"])).nullable("former", ColumnKind::Text)
);
create_mooded!(
    MORE_MOODS,
    NewTable::new("Mooded")
        .column("mood", ColumnKind::Labels(&["GLAD", "CALM", "CROSS", "SAD"]))
        .nullable("former", ColumnKind::Labels(&["GLAD"]))
);

/// A table whose check lacks a label of its enumeration.
pub(super) fn two_moods() -> Schema {
    Schema::new().table::<mooded::Entity>(&TWO_MOODS)
}

/// Adds a row with the label that the check of [`two_moods`] lacks.
pub(super) async fn add_cross(tables: &OwnTables) -> Result<()> {
    let row = mooded::ActiveModel { mood: Set(mooded::Mood::Cross), ..Default::default() };
    tables.of::<mooded::Entity>().add(row).await.map(drop)
}

async fn has_labels(worlds: [World; 3]) {
    let [whole, fewer, more] = worlds;
    rylie_testkit::own::assert_all_isolated(&whole).await;
    assert_eq!(
        problems::<mooded::Entity>(&fewer).await.unwrap(),
        [
            "missing CROSS in the check of mood: the enumeration has it",
            "missing the check of former: the enumeration has GLAD, CALM, CROSS",
        ]
    );
    assert_eq!(
        problems::<mooded::Entity>(&more).await.unwrap(),
        [
            "missing SAD in the enumeration of mood: the check allows it",
            "missing CALM, CROSS in the check of former: the enumeration has it",
        ]
    );
}

fn mooded(created_by: &'static CreateTable) -> Schema {
    Schema::new().table::<mooded::Entity>(created_by)
}

#[tokio::test]
async fn labels_that_the_check_or_the_enumeration_lacks_are_named_on_sqlite() {
    let whole = World::sqlite_with(mooded(&ALL_MOODS)).await.unwrap();
    let fewer = World::sqlite_with(two_moods()).await.unwrap();
    has_labels([whole, fewer, World::sqlite_with(mooded(&MORE_MOODS)).await.unwrap()]).await;
}

#[tokio::test]
async fn labels_that_the_check_or_the_enumeration_lacks_are_named_on_postgres() {
    let whole = World::postgres_with(mooded(&ALL_MOODS)).await.unwrap();
    let fewer = World::postgres_with(two_moods()).await.unwrap();
    has_labels([whole, fewer, World::postgres_with(mooded(&MORE_MOODS)).await.unwrap()]).await;
}

mod link {
    use rylie_db::own::*;

    /// Links drafts to drafts. A text is no data of the link where the relation names it.
    #[sea_orm::model]
    #[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, TenantOwned)]
    #[sea_orm(table_name = "DraftLink", rename_all = "camelCase")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        pub tenant_id: TenantId,
        pub draft_id: super::note::NoteId,
        pub request_id: RequestId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const LINK: CreateTable = CreateTable::new("own_m20261201_000003_create_draft_link", || {
    NewTable::new("DraftLink").belongs_to("draftId", "Draft").belongs_to("requestId", "Request")
});
const LINK_ONCE: CreateTable = CreateTable::new("own_m20261201_000003_create_draft_link", || {
    NewTable::new("DraftLink")
        .belongs_to("draftId", "Draft")
        .belongs_to("requestId", "Request")
        .unique(&["requestId", "draftId"])
});

fn linked(created_by: &'static CreateTable) -> Schema {
    schema(&WHOLE, &WHOLE_LOG).table::<link::Entity>(created_by)
}

#[tokio::test]
async fn a_linking_table_that_is_not_unique_is_named_on_both_engines() {
    for (once, twice) in [
        (World::sqlite_with(linked(&LINK_ONCE)).await.unwrap(), World::sqlite_with(linked(&LINK)).await.unwrap()),
        (World::postgres_with(linked(&LINK_ONCE)).await.unwrap(), World::postgres_with(linked(&LINK)).await.unwrap()),
    ] {
        rylie_testkit::own::assert_all_isolated(&once).await;
        assert_eq!(
            problems::<link::Entity>(&twice).await.unwrap(),
            ["missing `unique` of draftId, requestId: the table links two others, and a link may occur twice"]
        );
    }
}

#[test]
fn the_next_migration_has_the_labels_of_a_new_enumeration() {
    create_mooded!(BEFORE, NewTable::new("Mooded").column("mood", ColumnKind::Labels(&["GLAD", "CALM", "CROSS"])));
    let folder = tempfile::tempdir().unwrap();
    let env = rylie_testkit::TestEnv::default();
    let new = NewMigration::of_service("add_former_to_mooded", folder.path(), &env, &mooded(&BEFORE)).unwrap();
    let column = ".nullable(\"former\", ColumnKind::Labels(&[\"GLAD\", \"CALM\", \"CROSS\"]))";
    assert!(new.source.contains(column), "{}", new.source);
}

/// The columns of a draft before its author.
const WITHOUT_AUTHOR: CreateTable = CreateTable::new("own_m20261201_000001_create_draft", || {
    NewTable::new("Draft").belongs_to("requestId", "Request").may_belong_to("above", "Draft")
});

#[test]
fn a_proposed_column_with_the_id_of_another_table_comes_with_a_remark() {
    let folder = tempfile::tempdir().unwrap();
    let env = rylie_testkit::TestEnv::default();
    let schema = Schema::new().table::<note::Entity>(&WITHOUT_AUTHOR);
    let new = NewMigration::of_service("add_author_to_draft", folder.path(), &env, &schema).unwrap();
    assert!(new.remarks.iter().any(|remark| remark.contains("authorId has the type of an id")), "{:?}", new.remarks);
}
