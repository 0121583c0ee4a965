//! Looking around in a syntax tree, by kind: every question here is asked by several rules.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::{SyntaxElement, SyntaxNode, SyntaxToken};

pub(crate) trait Tree {
    /// The first child node of this kind.
    fn child(&self, kind: K) -> Option<SyntaxNode>;
    /// Every node of this kind below, itself included, in the order of the text.
    fn all(&self, kind: K) -> impl Iterator<Item = SyntaxNode>;
    /// The first of them.
    fn find(&self, kind: K) -> Option<SyntaxNode> {
        self.all(kind).next()
    }
    /// Whether a child, node or word, is of this kind.
    fn has(&self, kind: K) -> bool;
    /// Whether anything below, node or word, is of this kind.
    fn holds(&self, kind: K) -> bool;
    /// Every word and sign below, blanks and comments included.
    fn tokens(&self) -> impl Iterator<Item = SyntaxToken>;
    /// Where it begins, comments and blanks before it left out.
    fn start(&self) -> usize;
    /// The words, one blank apart, without comments.
    fn words(&self) -> String;
    /// The name it ends with, as PostgreSQL understands it: unquoted in lower case. Of `public."User"`, `User`.
    fn name(&self) -> String;
    /// The names of all nodes of this kind below.
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

/// A name as PostgreSQL understands it.
pub(crate) fn identifier(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}
