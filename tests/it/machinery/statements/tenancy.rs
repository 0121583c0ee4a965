//! Reads one statement: for which tables of a tenant it names the tenant, and for which not.

use std::collections::{BTreeMap, BTreeSet};

use rylie_db::entities::TENANT_TABLES;
use squawk_syntax::SyntaxKind as K;
use squawk_syntax::ast::AstNode;
use squawk_syntax::{SourceFile, SyntaxElement, SyntaxNode};

const TENANT: &str = "\"tenantId\"";

/// The tables and the faults of a statement.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The tables of a tenant in it.
    pub(super) tables: BTreeSet<String>,
    pub(super) faults: Vec<String>,
}

/// Reads SQL. Fails where the parser does, because an unread statement would look harmless.
pub(super) fn read(sql: &str) -> Result<Read, String> {
    let parsed = SourceFile::parse(sql);
    if let Some(error) = parsed.errors().first() {
        return Err(format!("{error:?}"));
    }
    let mut read = Read::default();
    for block in parsed.tree().syntax().descendants().filter(is_block) {
        read_block(&block, &mut read);
    }
    Ok(read)
}

/// A part with its own tables and conditions.
fn is_block(node: &SyntaxNode) -> bool {
    matches!(node.kind(), K::SELECT | K::INSERT | K::UPDATE | K::DELETE)
}

/// Returns the nodes that belong to the block and not to one within it.
fn within(block: &SyntaxNode) -> impl Iterator<Item = SyntaxNode> {
    let block = block.clone();
    let (own, all) = (block.clone(), block.descendants());
    all.filter(move |node| *node != own && node.ancestors().skip(1).find(is_block).as_ref() == Some(&own))
}

fn read_block(block: &SyntaxNode, read: &mut Read) {
    // By the name that the block's conditions use.
    let mut tables = BTreeMap::new();
    for node in within(block) {
        let is_target = node.kind() == K::RELATION_NAME && node.parent().as_ref() == Some(block);
        if is_target || node.kind() == K::RELATION_FROM_ITEM {
            let mut words = words(&node);
            if is_target {
                words.extend(
                    block.children().find(|child| child.kind() == K::OPTIONAL_AS_ALIAS).iter().flat_map(self::words),
                );
            }
            words.retain(|word| !word.eq_ignore_ascii_case("as") && word != "public" && word != "." && word != "*");
            let (table, named) = (words[0].clone(), words.last().unwrap().clone());
            tables.insert(named, table);
        }
    }
    if block.kind() == K::INSERT {
        read_insert(block, read);
    }
    let bare = tables.len() == 1;
    for (named, table) in &tables {
        let Some(table) = of_a_tenant(table) else { continue };
        read.tables.insert(table.to_owned());
        let filtered = within(block).filter(|node| node.kind() == K::BIN_EXPR).any(|node| {
            let (left, operator, right) = parts(&node);
            let names = |side: &str| side == format!("{named}.{TENANT}") || bare && side == TENANT;
            operator == "=" && (names(&left) || names(&right)) && is_required(&node, block)
        });
        if !filtered {
            read.faults.push(format!("{:?} reaches {table} without an equality on its tenant", block.kind()));
        }
    }
}

fn read_insert(block: &SyntaxNode, read: &mut Read) {
    let text = words(block);
    let Some(table) = text.iter().find(|word| word.starts_with('"')).and_then(|word| of_a_tenant(word)) else { return };
    read.tables.insert(table.to_owned());
    let columns = block.children().find(|child| child.kind() == K::COLUMN_TARGET_LIST);
    if !columns.is_some_and(|columns| words(&columns).contains(&TENANT.to_owned())) {
        read.faults.push(format!("an INSERT into {table} does not set the tenant"));
    }
    let conflict = block.children().find(|child| child.kind() == K::ON_CONFLICT_CLAUSE);
    let target = conflict.and_then(|conflict| conflict.descendants().find(|node| node.kind() == K::CONFLICT_ON_INDEX));
    if target.is_some_and(|target| !words(&target).contains(&TENANT.to_owned())) {
        read.faults.push(format!("a conflict on {table} does not contain the tenant"));
    }
}

/// Returns the name of a tenant's table without quotes.
fn of_a_tenant(quoted: &str) -> Option<&'static str> {
    let name = quoted.trim_matches('"');
    TENANT_TABLES.iter().map(|table| table.name).find(|table| *table == name)
}

/// Returns whether each row that the block reaches satisfies the condition: it is no part of an OR or a NOT.
fn is_required(condition: &SyntaxNode, block: &SyntaxNode) -> bool {
    let around = condition.ancestors().skip(1).take_while(|node| node != block);
    let loosens = |node: SyntaxNode| match node.kind() {
        K::BIN_EXPR => !parts(&node).1.eq_ignore_ascii_case("and"),
        K::PREFIX_EXPR | K::CASE_EXPR | K::CALL_EXPR => true,
        _ => false,
    };
    !around.into_iter().any(loosens)
}

/// Returns both sides and the operator of a binary expression.
fn parts(node: &SyntaxNode) -> (String, String, String) {
    let elements: Vec<_> = node.children_with_tokens().filter(|element| !is_trivia(element)).collect();
    let text = |elements: &[SyntaxElement]| elements.iter().flat_map(element_words).collect::<String>();
    match elements.as_slice() {
        [left, operator @ .., right] => {
            (text(std::slice::from_ref(left)), text(operator), text(std::slice::from_ref(right)))
        }
        _ => Default::default(),
    }
}

fn is_trivia(element: &SyntaxElement) -> bool {
    matches!(element.kind(), K::WHITESPACE | K::COMMENT)
}

fn element_words(element: &SyntaxElement) -> Vec<String> {
    let token = || element.as_token().map(|token| token.text().to_owned()).into_iter().collect();
    element.as_node().map_or_else(token, words)
}

fn words(node: &SyntaxNode) -> Vec<String> {
    let tokens = node.descendants_with_tokens().filter_map(SyntaxElement::into_token);
    tokens
        .filter(|token| !matches!(token.kind(), K::WHITESPACE | K::COMMENT))
        .map(|token| token.text().to_owned())
        .collect()
}

#[test]
fn a_statement_that_forgets_the_tenant_is_found() {
    let good = [
        r#"SELECT "id" FROM "Request" WHERE "id" = $1 AND "Request"."tenantId" = $2"#,
        r#"UPDATE "Request" SET "title" = $1 WHERE "tenantId" = $2 RETURNING "id""#,
        r#"DELETE FROM "Request" AS r WHERE r."tenantId" = $1"#,
        r#"INSERT INTO "Request" ("id", "tenantId") VALUES ($1, $2) ON CONFLICT ("tenantId", "id") DO NOTHING"#,
        r#"SELECT t."id" FROM "Request" r JOIN "Task" t ON t."requestId" = r."id" AND t."tenantId" = r."tenantId" WHERE r."tenantId" = $1"#,
        r"SELECT 1 FROM rylie_database",
    ];
    for sql in good {
        assert_eq!(read(sql).unwrap().faults, Vec::<String>::new(), "{sql}");
    }
    let bad = [
        r#"SELECT "id" FROM "Request" WHERE "id" = $1"#,
        r#"SELECT "id" FROM "Request" WHERE "id" = $1 OR "tenantId" = $2"#,
        r#"SELECT "id" FROM "Request" WHERE NOT ("tenantId" = $2)"#,
        r#"SELECT "id" FROM "Request" WHERE "tenantId" <> $2"#,
        r#"SELECT "tenantId" FROM "Request""#,
        r#"UPDATE "Request" SET "tenantId" = $1 WHERE "id" = $2"#,
        r#"DELETE FROM "Task" WHERE "requestId" IN (SELECT "id" FROM "Request" WHERE "tenantId" = $1)"#,
        r#"DELETE FROM "Task" WHERE "tenantId" = $1 AND "requestId" IN (SELECT "id" FROM "Request")"#,
        r#"INSERT INTO "Request" ("id") VALUES ($1)"#,
        r#"INSERT INTO "Request" ("id", "tenantId") VALUES ($1, $2) ON CONFLICT ("id") DO NOTHING"#,
        r#"WITH r AS (SELECT * FROM "Request") SELECT * FROM r"#,
        r#"SELECT t."id" FROM "Request" r LEFT JOIN "Task" t ON t."requestId" = r."id" WHERE r."tenantId" = $1"#,
    ];
    for sql in bad {
        assert_eq!(read(sql).unwrap().faults.len(), 1, "{sql}");
    }
    assert!(read("SELEKT 1").is_err());
}
