//! Parses PostgreSQL messages of a client, to recognise `COMMIT`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::{Fate, OnCommit, Shared};

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    messages: Mutex<Messages>,
    /// The fault for the next answer.
    answer: Mutex<OnCommit>,
    /// No more traffic passes.
    dead: AtomicBool,
}

impl Wire {
    /// Decides the fate of bytes from the client. A client waits for the previous answer, so `COMMIT` is at the start
    /// of its bytes.
    pub(super) fn asked(&self, bytes: &[u8], shared: &Shared) -> Fate {
        let texts = self.messages.lock().unwrap_or_else(PoisonError::into_inner).texts_in(bytes);
        let commits = texts.iter().filter(|text| is_commit(text)).count() as u64;
        if let Some(kept) = &mut *shared.statements() {
            kept.extend(texts);
        }
        if commits > 0 {
            shared.commits.fetch_add(commits, Relaxed);
            let fault = *shared.on_commit.lock().unwrap_or_else(PoisonError::into_inner);
            match fault {
                OnCommit::Pass => {}
                OnCommit::CutBefore => return Fate::Cut,
                OnCommit::SwallowBefore => self.dead.store(true, Relaxed),
                OnCommit::CutAnswer | OnCommit::SwallowAnswer => {
                    *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = fault;
                }
            }
        }
        if self.dead.load(Relaxed) { Fate::Lost } else { Fate::Passed }
    }

    /// Decides the fate of an answer.
    pub(super) fn answering(&self) -> Fate {
        let answer = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if answer == OnCommit::CutAnswer {
            Fate::Cut
        } else if answer == OnCommit::SwallowAnswer || self.dead.load(Relaxed) {
            // Later answers must not pass either: they would answer an earlier statement.
            Fate::Lost
        } else {
            Fate::Passed
        }
    }
}

/// Splits bytes into messages. The first message of a connection has no type, nor do encryption requests before it.
#[derive(Debug, Default)]
struct Messages {
    kept: Vec<u8>,
    begun: bool,
}

/// The codes that request encryption, by TLS and by GSSAPI, instead of a protocol version.
const ENCRYPTION: [[u8; 4]; 2] = [80_877_103_u32.to_be_bytes(), 80_877_104_u32.to_be_bytes()];

impl Messages {
    /// Returns the SQL of the messages that end here.
    fn texts_in(&mut self, bytes: &[u8]) -> Vec<String> {
        self.kept.extend_from_slice(bytes);
        let messages = std::iter::from_fn(|| self.next());
        messages.filter_map(|message| sql_of(&message)).collect()
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let head = usize::from(self.begun);
        let length = self.kept.get(head..head + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        if self.kept.len() < head + length {
            return None;
        }
        let rest = self.kept.split_off(head + length);
        let message = std::mem::replace(&mut self.kept, rest);
        let asks_for_encryption = message.get(4..8).is_some_and(|code| ENCRYPTION.iter().any(|known| known == code));
        self.begun = self.begun || !asks_for_encryption;
        Some(message)
    }
}

/// Returns the SQL of a simple query, or of one to prepare.
fn sql_of(message: &[u8]) -> Option<String> {
    let text = match message.first() {
        Some(b'Q') => message.get(5..),
        Some(b'P') => message.get(5..).and_then(|body| body.splitn(2, |byte| *byte == 0).nth(1)),
        _ => None,
    }?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Returns whether the text begins with `COMMIT`.
fn is_commit(text: &str) -> bool {
    text.as_bytes().get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"COMMIT"))
}

#[cfg(test)]
mod tests {
    use super::{Messages, is_commit};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    #[test]
    fn a_commit_is_known_however_its_bytes_are_cut() {
        let startup = message(b'-', &[0, 3, 0, 0, 0])[1..].to_vec();
        let wish = message(b'-', &80_877_103_u32.to_be_bytes())[1..].to_vec();
        let query = message(b'Q', b"INSERT 'COMMIT'\0");
        let both = [message(b'Q', b"COMMIT\0"), message(b'P', b"s1\0commit and chain\0\0\0")].concat();
        let whole = [wish, startup, query, both].concat();

        for size in [1, 2, 7, whole.len()] {
            let mut messages = Messages::default();
            let texts: Vec<_> = whole.chunks(size).flat_map(|bytes| messages.texts_in(bytes)).collect();
            assert_eq!(texts, ["INSERT 'COMMIT'", "COMMIT", "commit and chain"], "{size}");
            assert_eq!(texts.iter().filter(|text| is_commit(text)).count(), 2);
        }
    }
}
