//! A row of the log with its long texts, which a page does not carry.

use std::collections::BTreeMap;

use rylie_audit::LongText;
use sea_orm::QueryResult;

/// A row with the columns of a record, and its long texts.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) row: QueryResult,
    pub(crate) long: LongTexts,
}

/// The long texts of a row, by the place of their column.
#[derive(Debug, Default)]
pub(crate) struct LongTexts(BTreeMap<usize, LongText>);

impl LongTexts {
    pub(crate) fn get(&self, place: usize) -> Option<LongText> {
        self.0.get(&place).copied()
    }

    pub(crate) fn insert(&mut self, place: usize, text: LongText) {
        self.0.insert(place, text);
    }
}
