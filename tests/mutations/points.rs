//! Finds the filters and checks in the code.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A line that isolates tenants, or users of a tenant.
pub(crate) struct Point {
    /// The path within the workspace.
    pub(crate) file: PathBuf,
    /// The line, from 0.
    pub(crate) line: usize,
    pub(crate) what: String,
    /// The enclosing function.
    within: String,
    /// The line with a switch; `$` is `crate::mutated(number)`.
    pub(crate) switched: String,
    /// Code that the switch needs at the end of the file, with `$` likewise.
    pub(crate) added: String,
}

impl Point {
    pub(crate) fn place(&self) -> String {
        format!("{} in {}", self.within, self.file.display())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{}, {})", self.what, self.file.display(), self.line + 1, self.within)
    }
}

/// Points without a common form: file, text, and the replacement without it.
pub(crate) const NAMED: [(&str, &str, &str); 6] = [
    (
        "crates/tenancy/src/filter.rs",
        "let tenant = Condition::all().add(E::TENANT.eq(scope.tenant()));",
        "let tenant = if $ { Condition::all() } else { Condition::all().add(E::TENANT.eq(scope.tenant())) };",
    ),
    (
        "crates/tenancy/src/filter.rs",
        "Reach::Own => tenant.add(E::owned_by(scope.user().id())),",
        "Reach::Own => if $ { tenant } else { tenant.add(E::owned_by(scope.user().id())) },",
    ),
    (
        "crates/tenancy/src/filter/walk.rs",
        r#"Reach::Tenant => vec!["tenant", scope.tenant().as_str()],"#,
        r#"Reach::Tenant => if $ { vec!["tenant"] } else { vec!["tenant", scope.tenant().as_str()] },"#,
    ),
    (
        "crates/tenancy/src/filter/walk.rs",
        r#"Reach::Own => vec!["own", scope.tenant().as_str(), scope.user().id().as_str()],"#,
        r#"Reach::Own => vec![if $ { "tenant" } else { "own" }, scope.tenant().as_str()],"#,
    ),
    (
        "crates/repositories/src/identity/sessions.rs",
        "Condition::all().add(Column::SessionToken.eq(token)).add(Column::Expires.gt(now))",
        "Condition::all().add(Column::SessionToken.eq(token)).add_option((!$).then(|| Column::Expires.gt(now)))",
    ),
    (
        "crates/repositories/src/identity/api_keys.rs",
        "if text.is_empty() || text.len() > MAX_BYTES || StoredForm::of(text) != StoredForm::Plain {",
        "if text.is_empty() || text.len() > MAX_BYTES || (!$ && StoredForm::of(text) != StoredForm::Plain) {",
    ),
];

const FILTER: &str = "self.kind.condition::<E>()";
const CHECKS: [&str; 5] =
    ["self.administrators_only(", "tx.administrators_only(", "may_assign(", "self.may_act_for(", "tx.may_act_for("];

pub(crate) fn all(root: &Path) -> Vec<Point> {
    let mut points = Vec::new();
    for folder in ["crates/entities/src", "crates/tenancy/src", "crates/repositories/src"] {
        for file in files(&root.join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let file = file.strip_prefix(root).unwrap().to_owned();
            let mut within = String::new();
            for (line, code) in text.lines().enumerate() {
                if let Some((_, after)) = code.split_once("fn ") {
                    within = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                }
                if let Some((switched, added)) = owner(&file, code) {
                    let (file, what, within) = (file.clone(), "owned_by".to_owned(), "owned_by".to_owned());
                    points.push(Point { file, line, what, within, switched, added });
                } else if let Some((what, switched)) = switched(&file, &within, code) {
                    let (file, within, added) = (file.clone(), within.clone(), String::new());
                    points.push(Point { file, line, what, within, switched, added });
                }
            }
        }
    }
    points
}

/// Returns the switched attribute `owner` of an entity, and the function that it then names.
fn owner(file: &Path, code: &str) -> Option<(String, String)> {
    let (before, rest) = code.split_once("owner = \"")?;
    let (field, after) = rest.split_once('"')?;
    let is_attribute = before.trim().is_empty() || before.trim_start().starts_with("#[tenant_owned(");
    if !file.starts_with("crates/entities/src") || !is_attribute {
        return None;
    }
    let column: String = field.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let function = format!(
        "\nfn switched_owner(user: &crate::UserId) -> sea_orm::Condition {{\n    if $ {{ return sea_orm::Condition::all() }}\n    \
         sea_orm::Condition::all().add(sea_orm::ColumnTrait::eq(&Column::{column}, user))\n}}\n"
    );
    Some((format!("{before}owned_by = \"switched_owner\"{after}"), function))
}

/// Returns the kind of point that a line is, and the line with a switch.
fn switched(file: &Path, within: &str, code: &str) -> Option<(String, String)> {
    let named = NAMED.iter().find(|(of, text, _)| file == Path::new(of) && code.trim() == *text);
    if let Some((_, text, without)) = named {
        return Some(("named".to_owned(), code.replace(text, without)));
    }
    if code.contains(FILTER) {
        let switch = format!("if $ {{ sea_orm::Condition::all() }} else {{ {FILTER} }}");
        return Some(("a filter".to_owned(), code.replace(FILTER, &switch)));
    }
    let statement = code.trim();
    if ["owned_by", "of_request"].contains(&within) && statement.starts_with("Condition::all().add(") {
        return Some(("owned_by".to_owned(), format!("if $ {{ Condition::all() }} else {{ {statement} }}")));
    }
    if CHECKS.iter().any(|check| statement.starts_with(check)) && statement.ends_with("?;") {
        return Some(("a check".to_owned(), format!("if !$ {{ {statement} }}")));
    }
    let refuses = statement.contains(".refuse(") || statement.contains("Error::Forbidden {");
    (statement.starts_with("return Err(") && refuses && statement.ends_with(';'))
        .then(|| ("a refusal".to_owned(), format!("if !$ {{ {statement} }}")))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
