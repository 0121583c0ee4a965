//! The tables in the database.

pub(crate) mod own_m20261201_000005_add_season_to_label;

use rylie_db::own::*;

pub const CREATE_KEYWORD: CreateTable = CreateTable::new("own_m20261201_000001_create_keyword", || {
    NewTable::new("Keyword")
        .belongs_to("requestId", "Request")
        .may_belong_to("parentId", "Keyword")
        .user("authorId")
        .column("intent", ColumnKind::Labels(&["BUY", "LEARN"]))
        .nullable("formerIntent", ColumnKind::Labels(&["BUY", "LEARN"]))
        .column("budgetCents", ColumnKind::BigInteger)
        .column("spellings", ColumnKind::Json)
        .nullable("note", ColumnKind::Text)
        .text("text")
        .times()
        .soft_delete()
        .unique(&["requestId", "text"])
});

pub const CREATE_LABEL: CreateTable =
    CreateTable::new("own_m20261201_000002_create_label", || NewTable::new("Label").text("name").unique(&["name"]));

pub const CREATE_KEYWORD_LABEL: CreateTable = CreateTable::new("own_m20261201_000003_create_keyword_label", || {
    NewTable::new("KeywordLabel")
        .belongs_to("keywordId", "Keyword")
        .belongs_to("labelId", "Label")
        .unique(&["keywordId", "labelId"])
});

pub const CREATE_RANKING: CreateTable = CreateTable::new("own_m20261201_000004_create_ranking", || {
    NewTable::new("Ranking")
        .belongs_to("keywordId", "Keyword")
        .may_belong_to("taskId", "Task")
        .column("position", ColumnKind::Integer)
        .column("share", ColumnKind::Double)
        .column("measuredAt", ColumnKind::Timestamp)
        .index(&["measuredAt", "id"])
        .append_only()
});
