//! The season in which a label is used. `downstream-rylie migrate new add_season_to_label` wrote this file.

use rylie_db::own::*;

pub(crate) const ADD_SEASON_TO_LABEL: AlterTable = AlterTable::new("own_m20261201_000005_add_season_to_label", || {
    TableChange::of("Label").nullable("season", ColumnKind::Text)
});
