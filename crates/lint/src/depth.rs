//! Limits the depth of nested text. The parser is recursive, so unlimited nesting would exhaust the stack and abort the
//! process. The parser therefore gets a large stack and a limit far above any real migration.

use std::thread;

/// Virtual memory. Unused pages are not allocated.
const STACK: usize = 512 << 20;

/// Nested brackets.
const BRACKETS: usize = 500;

/// Words between two commas or semicolons: the longest chain of operators.
const CHAIN: usize = 4_000;

/// Nested blocks.
const BLOCKS: usize = 2_000;

/// Runs `work` on a thread with a large stack. If no thread can be started, uses the current stack.
pub(crate) fn with_room<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| {
        let started = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work);
        started.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(&work)
    })
}

/// Returns the offset at which a text is nested too deeply. Quoted text counts, because blocks are quoted.
pub(crate) fn too_deep(sql: &str) -> Option<usize> {
    let (mut brackets, mut chain, mut blocks) = (0_usize, 0_usize, 0_usize);
    let mut word_start = None;
    for (offset, letter) in sql.char_indices() {
        if letter.is_alphanumeric() || letter == '_' {
            word_start.get_or_insert(offset);
            continue;
        }
        if let Some(word) = word_start.take().and_then(|start| sql.get(start..offset)) {
            chain += 1;
            match word.to_ascii_lowercase().as_str() {
                "then" | "loop" | "begin" => blocks += 1,
                "end" => blocks = blocks.saturating_sub(1),
                _ => {}
            }
        }
        match letter {
            ',' | ';' => chain = 0,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            letter if !letter.is_whitespace() => chain += 1,
            _ => {}
        }
        if brackets > BRACKETS || chain > CHAIN || blocks > BLOCKS {
            return Some(offset);
        }
    }
    None
}
