//! Queries on a syntax tree by kind, shared by the rules.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::{SyntaxElement, SyntaxNode, SyntaxToken};

pub(crate) trait Tree {
    /// Returns the first child node of this kind.
    fn child(&self, kind: K) -> Option<SyntaxNode>;
    /// Returns every descendant of this kind, itself included, in the order of the text.
    fn all(&self, kind: K) -> impl Iterator<Item = SyntaxNode>;
    /// Returns the first descendant of this kind.
    fn find(&self, kind: K) -> Option<SyntaxNode> {
        self.all(kind).next()
    }
    /// Returns whether a child, node or token, is of this kind.
    fn has(&self, kind: K) -> bool;
    /// Returns whether a descendant, node or token, is of this kind.
    fn holds(&self, kind: K) -> bool;
    /// Returns every token below, white space and comments included.
    fn tokens(&self) -> impl Iterator<Item = SyntaxToken>;
    /// Returns the start offset, without leading comments and white space.
    fn start(&self) -> usize;
    /// Returns the tokens, separated by one blank, without comments.
    fn words(&self) -> String;
    /// Returns the last name, as PostgreSQL resolves it: lower case if unquoted. For `public."User"`, `User`.
    fn name(&self) -> String;
    /// Returns the names of all descendants of this kind.
    fn names(&self, kind: K) -> Vec<String> {
        self.all(kind).map(|node| node.name()).collect()
    }
}

impl Tree for SyntaxNode {
    fn child(&self, kind: K) -> Option<SyntaxNode> {
        self.children().find(|child| child.kind() == kind)
    }

    fn all(&self, kind: K) -> impl Iterator<Item = SyntaxNode> {
        self.descendants().filter(move |node| node.kind() == kind)
    }

    fn has(&self, kind: K) -> bool {
        self.children_with_tokens().any(|child| child.kind() == kind)
    }

    fn holds(&self, kind: K) -> bool {
        self.descendants_with_tokens().any(|element| element.kind() == kind)
    }

    fn tokens(&self) -> impl Iterator<Item = SyntaxToken> {
        self.descendants_with_tokens().filter_map(SyntaxElement::into_token)
    }

    fn start(&self) -> usize {
        let mut words = self.tokens().filter(|token| !is_trivia(token.kind()));
        words.next().map_or(self.text_range().start(), |token| token.text_range().start()).into()
    }

    fn words(&self) -> String {
        let words = self.tokens().filter(|token| !is_trivia(token.kind()));
        words.map(|token| token.text().to_owned()).collect::<Vec<_>>().join(" ")
    }

    fn name(&self) -> String {
        let names = self.tokens().filter(|token| !is_trivia(token.kind()) && !is_sign(token.text()));
        names.last().map(|token| identifier(token.text())).unwrap_or_default()
    }
}

fn is_trivia(kind: K) -> bool {
    matches!(kind, K::WHITESPACE | K::COMMENT)
}

fn is_sign(text: &str) -> bool {
    matches!(text, "(" | ")" | "*" | ";" | ",")
}

/// Returns a name as PostgreSQL resolves it.
pub(crate) fn identifier(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}
