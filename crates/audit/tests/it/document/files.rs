//! Files of checkpoints, and how many checkpoints a reader finds in each.

use rylie_audit::SignedCheckpoint;
use serde::Serialize;

use super::blocks::{check, lines};
use super::checkpoint;

#[derive(Serialize)]
struct Case {
    /// `CHECKPOINT` stands for the text of the checkpoint.
    file: &'static str,
    /// The number of checkpoints; null for a file that is refused.
    reads: Option<usize>,
}

const FILES: [&str; 18] = [
    "CHECKPOINT",
    "CHECKPOINTCHECKPOINT",
    "\n \t\r\nCHECKPOINT\u{c}\nCHECKPOINT",
    "CHECKPOINT\u{a0}\nCHECKPOINT",
    "\u{85}\nCHECKPOINT",
    "CHECKPOINTrylie audit checkpoint 2\ndatabase",
    "CHECKPOINTanything",
    "",
    "anything\n",
    "{\"checkpoint\":\"CHECKPOINT\"}",
    "{\"checkpoints\":[\"CHECKPOINT\",null,7,\"CHECKPOINT\"]}",
    "{\"checkpoint\":\"CHECKPOINT\",\"other\":{\"a\":[1,2.5]}}",
    "{\"checkpoint\":\"CHECKPOINT\",\"other\":1e400}",
    "{\"checkpoint\":\"CHECKPOINT\",\"other\":\"\\ud800\"}",
    "{\"checkpoint\":\"CHECKPOINT\",\"record\":{}}",
    "{\"checkpoint\":\"CHECKPOINT\"} {}",
    "{\"checkpoint\":7}",
    " {\"checkpoint\":\"CHECKPOINT\"}",
];

#[test]
fn files_of_checkpoints_are_read_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let text = checkpoint().to_text();
    let read = |file: &'static str| {
        let text = if file.starts_with('{') { text.replace('\n', "\\n") } else { text.clone() };
        std::fs::write(&path, file.replace("CHECKPOINT", &text)).unwrap();
        let mut found = 0;
        let outcome = SignedCheckpoint::read_file(&path, 0, &mut |_| {
            found += 1;
            Ok(())
        });
        Case { file, reads: outcome.is_ok().then_some(found) }
    };
    let cases = FILES.map(read);

    assert!(cases.iter().filter(|case| case.reads.is_some()).count() > 7);
    check("files", |_| lines(&cases));
}
