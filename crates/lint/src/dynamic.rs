//! `EXECUTE` in PL/pgSQL. The text is read if it is a literal or the template of `format`.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxNode};

use crate::tree::Tree;

/// Replaces a name that is filled in at run time.
pub(crate) const SOMETHING: &str = "?";

/// Returns the executed statements, or `None` if they are unknown until run time.
pub(crate) fn statement(execute: &SyntaxNode) -> Option<SyntaxNode> {
    let target = execute.find(K::TARGET)?.children().next()?;
    let text = match target.kind() {
        K::LITERAL => literal(&target)?,
        K::CALL_EXPR if target.child(K::NAME_REF)?.name() == "format" => {
            let template = target.find(K::ARG)?.children().next()?;
            filled_in(&literal(&template)?)
        }
        _ => return None,
    };
    let parsed = SourceFile::parse(&text);
    parsed.errors().is_empty().then(|| parsed.syntax_node())
}

fn literal(node: &SyntaxNode) -> Option<String> {
    ast::Literal::cast(node.clone())?.string_value()
}

/// Fills in placeholders: a name for `%I` and `%s`, a text for `%L`.
fn filled_in(template: &str) -> String {
    let mut filled = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            filled.push(letter);
            continue;
        }
        // `%1$I` is the first argument, `%-10s` has width ten.
        while letters.next_if(|letter| letter.is_ascii_digit() || matches!(letter, '$' | '-' | '*')).is_some() {}
        match letters.next() {
            Some('L') => filled.push_str("'?'"),
            Some('%') => filled.push('%'),
            _ => {
                filled.push('"');
                filled.push_str(SOMETHING);
                filled.push('"');
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_with_placeholders() {
        assert_eq!(
            filled_in("DROP TABLE %I; SELECT %1$L, 100 %% 3, %-5s"),
            "DROP TABLE \"?\"; SELECT '?', 100 % 3, \"?\""
        );
    }
}
