//! The list of secret columns contains exactly the columns that entities declare as secrets.

use std::collections::BTreeSet;
use std::path::Path;

use rylie_db::repositories::SecretColumn;

#[test]
fn every_sealed_column_of_an_entity_is_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/entities/src");
    let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = paths.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());

    let declared: BTreeSet<String> = files.flat_map(|source| sealed_columns(&source)).collect();

    let listed: BTreeSet<String> = SecretColumn::ALL.map(|column| column.name().to_owned()).into();
    assert_eq!(declared, listed);
}

/// Returns `Table.column` of each field of type `SealedColumn`.
fn sealed_columns(source: &str) -> Vec<String> {
    let Some(table) = quoted(source, "table_name = \"") else { return Vec::new() };
    let mut found = Vec::new();
    let mut renamed = None;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[sea_orm(") {
            renamed = quoted(line, "column_name = \"");
        } else if let Some((name, kind)) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
            let renamed = renamed.take();
            if kind.contains("SealedColumn") {
                found.push(format!("{table}.{}", renamed.unwrap_or_else(|| camel_case(name))));
            }
        }
    }
    found
}

fn quoted(text: &str, before: &str) -> Option<String> {
    text.split_once(before)?.1.split('"').next().map(str::to_owned)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}
