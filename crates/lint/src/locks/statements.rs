//! Locks of all statements other than `ALTER TABLE`.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::{Effect, LockMode};
use crate::script::Part;
use crate::tree::Tree;

pub(super) fn effect_of(part: &Part, table: &str) -> Effect {
    let (node, nothing) = (&part.node, Effect::default());
    let concurrently = node.holds(K::CONCURRENTLY_KW);
    match node.kind() {
        K::CREATE_INDEX if concurrently => nothing.lock(table, LockMode::ShareUpdateExclusive),
        K::CREATE_INDEX => nothing.lock(table, LockMode::Share),
        K::DROP_INDEX if concurrently => locks(node, K::INDEX_REF, LockMode::ShareUpdateExclusive),
        K::ALTER_INDEX if node.holds(K::INDEX_RENAME_TO) || node.holds(K::SET_OPTIONS) => {
            locks(node, K::INDEX_REF, LockMode::ShareUpdateExclusive)
        }
        K::DROP_INDEX | K::ALTER_INDEX => locks(node, K::INDEX_REF, LockMode::AccessExclusive),
        K::REINDEX if concurrently => reindexed(node, LockMode::ShareUpdateExclusive, LockMode::ShareUpdateExclusive),
        K::REINDEX => reindexed(node, LockMode::Share, LockMode::AccessExclusive),
        K::CREATE_TRIGGER => nothing.lock(table, LockMode::ShareRowExclusive),
        K::CREATE_POLICY
        | K::ALTER_POLICY
        | K::DROP_POLICY
        | K::DROP_TRIGGER
        | K::ALTER_TRIGGER
        | K::CREATE_RULE
        | K::DROP_RULE
        | K::ALTER_RULE => nothing.lock(table_of(node).unwrap_or_default(), LockMode::AccessExclusive),
        K::CREATE_TABLE => created(node, table),
        K::CREATE_TABLE_AS => reads(node).lock(table, LockMode::AccessExclusive),
        K::DROP_TABLE => locks(node, K::TABLE_NAME_REF, LockMode::AccessExclusive),
        K::TRUNCATE | K::CLUSTER => locks(node, K::TABLE_NAME_REF, LockMode::AccessExclusive).rewriting(),
        K::CREATE_VIEW => viewed(node),
        K::DROP_VIEW | K::DROP_MATERIALIZED_VIEW | K::ALTER_VIEW => locks(node, K::VIEW_REF, LockMode::AccessExclusive),
        K::CREATE_MATERIALIZED_VIEW => reads(node),
        K::REFRESH if concurrently => locks(node, K::VIEW_REF, LockMode::Exclusive),
        K::REFRESH => locks(node, K::VIEW_REF, LockMode::AccessExclusive).rewriting(),
        K::VACUUM if node.holds(K::FULL_KW) => {
            locks(node, K::TABLE_RELATION_NAME, LockMode::AccessExclusive).rewriting()
        }
        K::VACUUM | K::ANALYZE => locks(node, K::TABLE_RELATION_NAME, LockMode::ShareUpdateExclusive),
        K::COMMENT_ON | K::CREATE_STATISTICS => commented(node),
        K::LOCK => locks(node, K::RELATION_NAME_REF, requested(node)),
        K::INSERT | K::UPDATE | K::DELETE | K::MERGE | K::SELECT | K::COMPOUND_SELECT => queried(node),
        _ => nothing,
    }
}

/// Locks each relation that a node of this kind names.
fn locks(node: &SyntaxNode, named_by: K, mode: LockMode) -> Effect {
    node.names(named_by).into_iter().fold(Effect::default(), |effect, relation| effect.lock(relation, mode))
}

fn table_of(node: &SyntaxNode) -> Option<String> {
    let on = node.find(K::ON_TABLE).or_else(|| node.find(K::ON_RELATION)).or_else(|| node.find(K::RELATION_NAME_REF));
    on.map(|on| on.name())
}

fn reindexed(node: &SyntaxNode, on_table: LockMode, on_index: LockMode) -> Effect {
    locks(node, K::TABLE_NAME_REF, on_table).and(locks(node, K::INDEX_REF, on_index)).rewriting()
}

/// No other session sees the new table yet. The tables that it references get triggers.
fn created(node: &SyntaxNode, table: &str) -> Effect {
    let referred = node.all(K::REFERENCES_CONSTRAINT).chain(node.all(K::FOREIGN_KEY_CONSTRAINT));
    let referred = referred.filter_map(|key| Some(key.find(K::TABLE_NAME_REF)?.name()));
    let effect = Effect::default().lock(table, LockMode::AccessExclusive);
    let parent = node.child(K::PARTITION_OF).and_then(|parent| Some(parent.find(K::TABLE_NAME_REF)?.name()));
    let effect = parent.into_iter().fold(effect, |effect, parent| effect.lock(parent, LockMode::AccessExclusive));
    referred.fold(effect, |effect, other| effect.lock(other, LockMode::ShareRowExclusive))
}

fn viewed(node: &SyntaxNode) -> Effect {
    let effect = reads(node);
    match node.child(K::VIEW) {
        Some(view) if node.has(K::OR_REPLACE) => effect.lock(view.name(), LockMode::AccessExclusive),
        _ => effect,
    }
}

fn reads(node: &SyntaxNode) -> Effect {
    let with: Vec<String> = node.names(K::CTE_NAME);
    let tables = node.names(K::RELATION_NAME_REF).into_iter().filter(|name| !with.contains(name));
    tables.fold(Effect::default(), |effect, table| effect.lock(table, LockMode::AccessShare))
}

/// A comment on a column locks its table.
fn commented(node: &SyntaxNode) -> Effect {
    let mode = LockMode::ShareUpdateExclusive;
    if let Some(column) = node.find(K::QUALIFIED_COLUMN_NAME_REF) {
        let path = column.find(K::PATH_REF).and_then(|path| path.child(K::PATH_REF));
        return path.map(|table| Effect::default().lock(table.name(), mode)).unwrap_or_default();
    }
    locks(node, K::TABLE_NAME_REF, mode).and(locks(node, K::RELATION_NAME_REF, mode))
}

fn requested(node: &SyntaxNode) -> LockMode {
    const MODES: [(K, LockMode); 7] = [
        (K::ACCESS_SHARE, LockMode::AccessShare),
        (K::ROW_SHARE, LockMode::RowShare),
        (K::ROW_EXCLUSIVE, LockMode::RowExclusive),
        (K::SHARE_UPDATE_EXCLUSIVE, LockMode::ShareUpdateExclusive),
        (K::SHARE, LockMode::Share),
        (K::SHARE_ROW_EXCLUSIVE, LockMode::ShareRowExclusive),
        (K::EXCLUSIVE, LockMode::Exclusive),
    ];
    let named = MODES.iter().find(|(kind, _)| node.find(*kind).is_some());
    named.map_or(LockMode::AccessExclusive, |(_, mode)| *mode)
}

/// The effect of a query: tables written, rows locked, tables read.
fn queried(node: &SyntaxNode) -> Effect {
    let effect = if node.holds(K::LOCKING_CLAUSE) {
        reads(node)
            .locks
            .into_iter()
            .fold(Effect::default(), |effect, locked| effect.lock(locked.relation, LockMode::RowShare))
    } else {
        reads(node)
    };
    let writes =
        [K::INSERT, K::UPDATE, K::DELETE, K::MERGE].into_iter().flat_map(|kind| node.all(kind).collect::<Vec<_>>());
    let written = writes.filter_map(|write| written_table(&write));
    written.fold(effect, |effect, table| effect.lock(table, LockMode::RowExclusive))
}

/// Returns the table that an `INSERT`, `UPDATE`, `DELETE` or `MERGE` writes.
pub(crate) fn written_table(write: &SyntaxNode) -> Option<String> {
    let table = write.child(K::RELATION_NAME).or_else(|| write.child(K::RELATION_NAME_REF));
    table.map(|table| table.name())
}
