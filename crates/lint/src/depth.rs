//! The parser calls itself for what is nested, so text that is nested without end would exhaust the stack, and abort the process.
//! Hence a deep stack, and a limit that no migration comes near.

use std::thread;

/// Of virtual memory; what is not used is not taken.
const STACK: usize = 512 << 20;

/// Brackets within brackets.
const BRACKETS: usize = 500;

/// Words between two commas or semicolons: the longest chain of operators.
const CHAIN: usize = 4_000;

/// Blocks within blocks.
const BLOCKS: usize = 2_000;

/// Runs `work` where there is room for it. Where no thread is to be had, on the stack that there is.
pub(crate) fn with_room<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| {
        let started = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work);
        started.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(&work)
    })
}

/// Where a text is nested too deeply to be read, quoted text included, as blocks are quoted.
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
