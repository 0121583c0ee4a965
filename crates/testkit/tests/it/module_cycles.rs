//! Checks the second rule of ARCHITECTURE.md, "The house": modules form no cycle, except between parent and child.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::dependency_line::packages;

/// The names from the crate's root to a module.
type Module = Vec<String>;

/// The modules of a crate by their path, with the source of each.
struct Crate(BTreeMap<Module, Source>);

struct Source {
    tokens: Vec<String>,
    /// Each imported path with its local name.
    imports: Vec<(Vec<String>, String)>,
}

#[test]
fn modules_form_no_cycle() {
    let mut cycles = Vec::new();
    for (name, sources) in source_folders() {
        cycles.extend(Crate::read(&sources).cycles().into_iter().map(|cycle| format!("{name}: {cycle}")));
    }
    assert!(cycles.is_empty(), "modules with cyclic imports:\n{}", cycles.join("\n"));
}

#[test]
fn a_cycle_is_found_however_it_is_written() {
    let cyclic =
        |a: &str, b: &str| !Crate::of(&[("", "pub use b::B;"), ("a", a), ("b", b), ("b::c", "")]).cycles().is_empty();

    assert!(cyclic("use crate::b::B;", "use crate::a::A;"));
    assert!(cyclic("use super::{b::{c, B}, x};", "use super::a;"), "by `super`, in a tree");
    assert!(cyclic("use crate::B;", "use crate::a::A;"), "through a re-export");
    assert!(cyclic("use crate::*;\nfn f() -> B {}", "use crate::a::A;"), "by a glob import");
    assert!(cyclic("use crate::b::B;", "fn f() { crate::a::f() }"), "without an import");
    assert!(!cyclic("use crate::b::B;", "use crate::b::c::C;\nuse super::X;"), "a child and a parent");
    assert!(!cyclic("use crate::b::B;", "// use crate::a::A;\n#[cfg(test)]\nmod tests { use crate::a::A; }"));
}

impl Crate {
    fn read(sources: &Path) -> Self {
        let mut modules = BTreeMap::new();
        for file in files(sources) {
            let inner = file.strip_prefix(sources).unwrap().with_extension("");
            let mut module: Module = inner.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|name| name == "mod") || ["lib", "main"].contains(&module[0].as_str()) {
                module.pop();
            }
            modules.insert(module, Source::of(&fs::read_to_string(&file).unwrap()));
        }
        Self(modules)
    }

    fn of(modules: &[(&str, &str)]) -> Self {
        let module = |name: &str| name.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Self(modules.iter().map(|(name, text)| (module(name), Source::of(text))).collect())
    }

    /// Returns each module of a cycle with the modules of that cycle that it uses.
    fn cycles(&self) -> Vec<String> {
        let edges: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.iter().map(|(module, source)| (module, self.used_by(module, source))).collect();
        let reaches = |from: &Module, to: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(module) = open.pop() {
                open.extend(edges[module].iter().filter(|next| seen.insert(*next)));
            }
            seen.contains(to)
        };
        let mut found = Vec::new();
        for (module, used) in &edges {
            let back: Vec<_> = used.iter().filter(|used| reaches(used, module)).map(|used| used.join("::")).collect();
            if !back.is_empty() {
                found.push(format!("{} uses {}", module.join("::"), back.join(", ")));
            }
        }
        found
    }

    fn used_by(&self, module: &Module, source: &Source) -> BTreeSet<Module> {
        let mut used = BTreeSet::new();
        for (path, name) in &source.imports {
            let found = self.resolve(module, path, 0);
            if name == "*" {
                let given = found.iter().flat_map(|of| self.0[of].imports.iter().map(move |import| (of, import)));
                let named = given.filter(|(_, (_, name))| source.tokens.contains(name));
                used.extend(named.filter_map(|(of, (path, _))| self.resolve(of, path, 0)));
            }
            used.extend(found);
        }
        used.extend(source.paths().iter().filter_map(|path| self.resolve(module, path, 0)));
        used.retain(|other| !other.starts_with(module) && !module.starts_with(other));
        used
    }

    /// Returns the module that defines the path's target; `None` if it is in another crate.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        // Stops at a name that resolves to itself.
        if depth > 16 {
            return None;
        }
        let mut path = path.iter().peekable();
        let mut at = match path.peek()?.as_str() {
            "crate" => {
                path.next();
                Module::new()
            }
            "self" | "super" => {
                let mut at = module.clone();
                while let Some(step) = path.next_if(|step| ["self", "super"].contains(&step.as_str())) {
                    if step == "super" {
                        at.pop();
                    }
                }
                at
            }
            child => Some(module.clone()).filter(|module| self.0.contains_key(&within(module, child)))?,
        };
        for name in path {
            let child = within(&at, name);
            if self.0.contains_key(&child) {
                at = child;
                continue;
            }
            let import = self.0.get(&at)?.imports.iter().find(|(_, given)| given == name && given != "*");
            let Some((import, _)) = import else { return Some(at) };
            let found = self.resolve(&at, import, depth + 1)?;
            if found.last() != Some(name) {
                return Some(found);
            }
            at = found;
        }
        Some(at)
    }
}

impl Source {
    fn of(text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: Vec<_> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        let tokens = tokens(&code.join("\n"));
        let mut imports = Vec::new();
        for (place, _) in tokens.iter().enumerate().filter(|(_, token)| *token == "use") {
            let before = place.checked_sub(1).map(|before| tokens[before].as_str());
            if before.is_none_or(|before| [";", "}", "{", ")", "]", "pub"].contains(&before)) {
                import(&tokens, &mut (place + 1), &[], &mut imports);
            }
        }
        Self { tokens, imports }
    }

    /// Returns paths that begin with `crate`, `self` or `super`. Relations between tables are exempt because they point
    /// both ways.
    fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for (place, token) in self.tokens.iter().enumerate() {
            let begins = ["crate", "super", "self"].contains(&token.as_str());
            let before = |back: usize| place.checked_sub(back).map_or("", |before| self.tokens[before].as_str());
            if begins && before(1) != "::" && !["HasOne", "HasMany"].contains(&before(2)) {
                let mut path = vec![token.clone()];
                let mut rest = &self.tokens[place + 1..];
                while let [colons, name, after @ ..] = rest
                    && colons == "::"
                    && is_name(name)
                {
                    path.push(name.clone());
                    rest = after;
                }
                // Import trees are parsed separately.
                let is_tree = matches!(rest, [colons, next, ..] if colons == "::" && (next == "{" || next == "*"));
                if path.len() > 1 && !is_tree {
                    paths.push(path);
                }
            }
        }
        paths
    }
}

/// Parses an import tree that begins at this position.
fn import(tokens: &[String], place: &mut usize, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(*place) {
        *place += 1;
        match token.as_str() {
            "::" => {}
            "{" => {
                while tokens.get(*place).is_some_and(|token| token != "}") {
                    import(tokens, place, &path, found);
                    if tokens.get(*place).is_some_and(|token| token == ",") {
                        *place += 1;
                    }
                }
                *place += 1;
                return;
            }
            "," | "}" | ";" => {
                *place -= 1;
                break;
            }
            "as" => {
                let name = tokens.get(*place).cloned().unwrap_or_default();
                *place += 1;
                found.push((path, name));
                return;
            }
            "self" if !before.is_empty() => {}
            name => path.push(name.to_owned()),
        }
    }
    if let Some(name) = path.last().cloned() {
        if name == "*" {
            path.pop();
        }
        found.push((path, name));
    }
}

/// Splits code into words, `::`, and single other characters.
fn tokens(code: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), code);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

fn within(module: &Module, name: &str) -> Module {
    [module.as_slice(), &[name.to_owned()]].concat()
}

/// Returns the folder `src` of each package that has one, with the package's name.
pub(crate) fn source_folders() -> Vec<(String, PathBuf)> {
    let of = |package: &Value| {
        let sources = Path::new(package["manifest_path"].as_str()?).with_file_name("src");
        sources.is_dir().then_some((package["name"].as_str()?.to_owned(), sources))
    };
    packages().iter().filter_map(of).collect()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}
