//! Lists in SQL.

/// Splits at commas outside of brackets and quotes, as in `SELECT, UPDATE (a, b)`.
pub(crate) fn at_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quote, mut from) = (Vec::new(), 0_usize, None, 0);
    for (place, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[from..place].trim());
                from = place + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::at_commas;

    #[test]
    fn brackets_and_quotes_keep_their_commas() {
        assert_eq!(at_commas("INSERT, SELECT, UPDATE (\"a\", b)"), ["INSERT", "SELECT", "UPDATE (\"a\", b)"]);
        assert_eq!(at_commas("a DEFAULT 'x, (y', \"b, c\" text"), ["a DEFAULT 'x, (y'", "\"b, c\" text"]);
    }
}
