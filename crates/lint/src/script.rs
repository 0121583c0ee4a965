//! Scripts and their statements.

use std::rc::Rc;

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxNode};

use crate::allow::Allowance;
use crate::tree::Tree;
use crate::{depth, dynamic};

/// SQL that is sent together: a file, or a migration.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) texts: Vec<Text>,
    /// Whether all of it is one transaction without `BEGIN`.
    pub(crate) in_transaction: bool,
    /// Whether the sender sets `lock_timeout`.
    pub(crate) limits_locks: bool,
    pub(crate) allowed: Vec<Allowance>,
}

/// A named text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Script {
    /// Creates a script from SQL. Each statement is a transaction unless the SQL has `BEGIN`.
    #[must_use]
    pub fn file(name: impl Into<String>, sql: impl Into<String>) -> Self {
        let texts = vec![Text { name: name.into(), sql: sql.into() }];
        Self { texts, in_transaction: false, limits_locks: false, allowed: Vec::new() }
    }
}

/// The unit that rules check: a statement, or one action of an `ALTER TABLE`.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) node: SyntaxNode,
    pub(crate) table: Option<String>,
    /// The script's text that contains it, and the offset there.
    pub(crate) text: usize,
    pub(crate) offset: usize,
    /// The number of its transaction; `None` if it is a transaction alone.
    pub(crate) transaction: Option<usize>,
    /// The number of its statement in the script. Statements inside a `DO` belong to the `DO`.
    pub(crate) statement: usize,
    /// Its number in the script.
    pub(crate) index: usize,
}

impl Part {
    pub(crate) fn is(&self, kind: K) -> bool {
        self.node.kind() == kind
    }

    pub(crate) fn is_one_of(&self, kinds: &[K]) -> bool {
        kinds.contains(&self.node.kind())
    }

    pub(crate) fn is_on(&self, table: &str) -> bool {
        self.table.as_deref() == Some(table)
    }
}

/// A parsed script.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) parts: Vec<Part>,
    /// Unreadable places: text, offset, and the parser's message.
    pub(crate) unread: Vec<(usize, usize, String)>,
    pub(crate) allowances: Vec<Allowance>,
    pub(crate) limits_locks: bool,
}

impl Reading {
    /// Returns the parts before this one.
    pub(crate) fn before(&self, part: &Part) -> impl Iterator<Item = &Part> + use<'_> {
        self.parts.iter().take(part.index)
    }

    /// Returns the parts after this one.
    pub(crate) fn after(&self, part: &Part) -> impl Iterator<Item = &Part> + use<'_> {
        self.parts.iter().skip(part.index + 1)
    }

    /// Returns whether the script created this table earlier. It has no other users yet, so no one waits.
    pub(crate) fn made_before(&self, part: &Part, table: &str) -> bool {
        self.before(part).any(|made| made.is_one_of(&[K::CREATE_TABLE, K::CREATE_TABLE_AS]) && made.is_on(table))
    }

    /// Returns whether the part's table may be in use.
    pub(crate) fn is_on_used_table(&self, part: &Part) -> bool {
        part.table.as_ref().is_none_or(|table| !self.made_before(part, table))
    }
}

/// Parses a script. Text that the parser cannot read is recorded, never skipped.
pub(crate) fn read(script: &Script) -> Reading {
    let mut reader = Reader {
        transactions: 0,
        transaction: script.in_transaction.then_some(0),
        statement: 0,
        reading: Reading {
            allowances: script.allowed.clone(),
            limits_locks: script.limits_locks,
            ..Reading::default()
        },
    };
    for (number, text) in script.texts.iter().enumerate() {
        reader.text(number, &text.sql);
    }
    reader.reading
}

struct Reader {
    /// The number of transactions so far.
    transactions: usize,
    transaction: Option<usize>,
    statement: usize,
    reading: Reading,
}

/// Returns the offset of a node in the text.
type Place = Rc<dyn Fn(&SyntaxNode) -> usize>;

impl Reader {
    fn text(&mut self, text: usize, sql: &str) {
        if let Some(offset) = depth::too_deep(sql) {
            self.reading.unread.push((text, offset, "nested too deeply".to_owned()));
            return;
        }
        let parsed = SourceFile::parse(sql);
        let root = parsed.syntax_node();
        for error in parsed.errors() {
            self.reading.unread.push((text, error.range().start().into(), error.message().to_owned()));
        }
        let place: Place = Rc::new(Tree::start);
        let first = self.statement;
        let mut ends = Vec::new();
        for node in root.children() {
            self.statement += 1;
            ends.push(usize::from(node.text_range().end()));
            self.top(text, &node, &place);
        }
        self.comments(text, &root, first, &ends);
    }

    fn top(&mut self, text: usize, node: &SyntaxNode, place: &Place) {
        match node.kind() {
            K::BEGIN => {
                self.transactions += 1;
                self.transaction = Some(self.transactions);
                self.part(text, node, place);
            }
            K::COMMIT_TRANSACTION | K::ROLLBACK_TRANSACTION | K::PREPARE_TRANSACTION => {
                self.part(text, node, place);
                self.transaction = None;
            }
            K::DO => self.block(text, node),
            K::CREATE_FUNCTION | K::CREATE_PROCEDURE => {
                self.function(text, node);
                self.part(text, node, place);
            }
            K::CREATE_SCHEMA => {
                self.part(text, node, place);
                let elements = node.children().filter(|child| format!("{:?}", child.kind()).starts_with("CREATE_"));
                elements.for_each(|child| self.part(text, &child, place));
            }
            _ => self.part(text, node, place),
        }
    }

    /// Reads a `DO` as one transaction, with its statements where the parser can read them.
    fn block(&mut self, text: usize, node: &SyntaxNode) {
        let outer = self.transaction;
        if outer.is_none() {
            self.transactions += 1;
            self.transaction = Some(self.transactions);
        }
        if let Some(body) = ast::Do::cast(node.clone()).and_then(|block| block.plpgsql()) {
            for error in body.errors() {
                self.reading.unread.push((text, error.range().start().into(), error.message().to_owned()));
            }
            let root = body.syntax();
            let place: Place = Rc::new(move |node| body.source_range(node.text_range()).start().into());
            self.inside(text, &root, &place);
        } else {
            let why = "a block in a language other than PL/pgSQL".to_owned();
            self.reading.unread.push((text, node.start(), why));
        }
        self.transaction = outer;
    }

    fn inside(&mut self, text: usize, root: &SyntaxNode, place: &Place) {
        for (comment, _) in comments(root) {
            self.reading.allowances.extend(Allowance::parse(&comment, text, place(root), self.statement));
        }
        for node in root.descendants() {
            match node.kind() {
                K::PLPGSQL_EXEC_SQL_STMT => {
                    for child in node.children() {
                        self.part(text, &child, place);
                    }
                }
                K::PLPGSQL_DYN_EXECUTE_STMT => self.executed(text, &node, place),
                _ => {}
            }
        }
    }

    /// Reads an executed text if it is known; otherwise records the `EXECUTE` as a part.
    fn executed(&mut self, text: usize, node: &SyntaxNode, place: &Place) {
        let offset = place(node);
        let here: Place = Rc::new(move |_| offset);
        match dynamic::statement(node) {
            Some(root) => {
                for child in root.children() {
                    self.part(text, &child, &here);
                }
            }
            None => self.part(text, node, &here),
        }
    }

    /// Checks only whether a function's body can be parsed: it runs later.
    fn function(&mut self, text: usize, node: &SyntaxNode) {
        let body = match node.kind() {
            K::CREATE_FUNCTION => ast::CreateFunction::cast(node.clone()).and_then(|function| function.plpgsql()),
            _ => ast::CreateProcedure::cast(node.clone()).and_then(|procedure| procedure.plpgsql()),
        };
        for error in body.iter().flat_map(squawk_syntax::plpgsql::Plpgsql::errors) {
            self.reading.unread.push((text, error.range().start().into(), error.message().to_owned()));
        }
    }

    fn part(&mut self, text: usize, node: &SyntaxNode, place: &Place) {
        let table = table_of(node);
        let actions = node.children().filter(|child| node.kind() == K::ALTER_TABLE && !is_name(child.kind()));
        let mut nodes: Vec<SyntaxNode> = actions.filter(|child| child.kind() != K::IF_EXISTS).collect();
        if nodes.is_empty() {
            nodes.push(node.clone());
        }
        let (transaction, statement) = (self.transaction, self.statement);
        for node in nodes {
            let (offset, index) = (place(&node), self.reading.parts.len());
            let table = table.clone();
            self.reading.parts.push(Part { node, table, text, offset, transaction, statement, index });
        }
    }

    /// Assigns a comment to the statement that contains it, or else to the next one.
    fn comments(&mut self, text: usize, root: &SyntaxNode, first: usize, ends: &[usize]) {
        for (comment, offset) in comments(root) {
            let next = ends.iter().position(|end| *end > offset).unwrap_or(ends.len());
            self.reading.allowances.extend(Allowance::parse(&comment, text, offset, first + next + 1));
        }
    }
}

fn comments(root: &SyntaxNode) -> impl Iterator<Item = (String, usize)> {
    let comments = root.tokens().filter(|token| token.kind() == K::COMMENT);
    comments.map(|token| (token.text().to_owned(), usize::from(token.text_range().start())))
}

fn is_name(kind: K) -> bool {
    matches!(kind, K::TABLE_RELATION_NAME | K::TABLE_NAME_REF)
}

/// Returns the table of a statement, the first if there are several.
fn table_of(node: &SyntaxNode) -> Option<String> {
    const NAMES: [K; 8] = [
        K::TABLE_RELATION_NAME,
        K::TABLE_NAME,
        K::ON_TABLE,
        K::ON_RELATION,
        K::RELATION_NAME,
        K::RELATION_NAME_REF,
        K::TABLE_NAME_REF,
        K::TABLE_LIST,
    ];
    let mut names = node.children().filter(|child| NAMES.contains(&child.kind()));
    names.next().map(|name| name.child(K::TABLE_RELATION_NAME).unwrap_or(name).name())
}
