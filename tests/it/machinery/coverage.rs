//! `docs/coverage.md` names the tests of each audited case. The names exist, and each verdict is complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The number of cases of each chapter.
const CHAPTERS: [(char, usize); 7] = [('A', 48), ('B', 8), ('C', 8), ('D', 6), ('E', 6), ('F', 5), ('G', 30)];

/// Returns the names of all functions in the source.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for part in fs::read_to_string(&path).unwrap().split("fn ").skip(1) {
                names.insert(
                    part.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric())
                        .next()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
}

#[test]
fn every_case_of_the_coverage_names_tests_that_exist_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/coverage.md")).unwrap();
    let mut known = BTreeSet::new();
    functions(&root, &mut known);
    assert!(known.len() > 3_000, "{}", known.len());
    let mut cases = BTreeSet::new();
    for line in document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| case")) {
        let cells: Vec<_> = line.trim_matches('|').split(" |").map(str::trim).collect();
        let [case, _, verdict, tests, reason] = cells.as_slice() else { panic!("{line}") };
        assert!(cases.insert((*case).to_owned()), "{case} twice");
        let missing: Vec<_> = tests.split('`').skip(1).step_by(2).filter(|name| !known.contains(*name)).collect();
        assert!(missing.is_empty() && tests.contains('`'), "{case}: {missing:?}");
        match *verdict {
            "covered" => assert!(reason.is_empty(), "{case}"),
            "partly" => assert!(reason.len() > 20, "{case} has no reason"),
            other => panic!("{case}: {other}"),
        }
    }
    let expected =
        CHAPTERS.iter().flat_map(|(chapter, count)| (1..=*count).map(move |case| format!("{chapter}{case}")));
    assert_eq!(cases, expected.collect::<BTreeSet<_>>());
}
