//! The house as ARCHITECTURE.md draws it: who uses whom, which crates stay where, one name for each type.
//!
//! The tables of that file are read, not repeated here, so that neither can be out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file of the library, without comments, text and tests.
struct Source {
    /// From `src`, for messages.
    path: String,
    /// `model::device::launch`, in parts.
    module: Vec<String>,
    code: String,
}

impl Source {
    fn top(&self) -> &str {
        &self.module[0]
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the library that is not a test, `lib.rs` and `main.rs` apart.
fn sources() -> Vec<Source> {
    let (mut files, mut open) = (Vec::new(), vec![root().join("src")]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    let read = |path: &PathBuf| code_of(&std::fs::read_to_string(path).unwrap());
    let rust = |path: &&PathBuf| path.extension().is_some_and(|e| e == "rs");
    let all: Vec<(Vec<String>, PathBuf, String)> = files
        .iter()
        .filter(rust)
        .map(|path| (module_of(path), path.clone(), read(path)))
        .collect();
    // Modules that only tests are built with: they and what lies below them.
    let only_tests: Vec<Vec<String>> = all
        .iter()
        .flat_map(|(module, _, code)| {
            let names = test_modules(code);
            names
                .into_iter()
                .map(|name| [&module[..], &[name]].concat())
        })
        .collect();
    let is_test = |module: &[String]| only_tests.iter().any(|test| module.starts_with(test));
    all.into_iter()
        .filter(|(module, _, _)| !module.is_empty() && !is_test(module))
        .map(|(module, path, code)| Source {
            path: path.strip_prefix(root()).unwrap().display().to_string(),
            module,
            code: without_tests(&code),
        })
        .collect()
}

/// The parts of a file's module path; none for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let parts = inside.with_extension("");
    let parts = parts.iter().map(|p| p.to_str().unwrap().to_owned());
    let parts: Vec<String> = parts.collect();
    match parts.last().map(String::as_str) {
        Some("mod") => parts[..parts.len() - 1].to_vec(),
        Some("lib" | "main") if parts.len() == 1 => Vec::new(),
        _ => parts,
    }
}

/// The text without comments and without what stands in quotes.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = raw_text(rest) {
            len
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_char(rest) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            // A word is taken whole, so that the `r` at its end begins no raw text.
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let word = word.unwrap_or(rest.len()).max(c.len_utf8());
            code.push_str(&rest[c.len_utf8()..word]);
            rest = &rest[word..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// The length of `r"..."`, `br#"..."#` and the like at the start.
fn raw_text(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + len)
}

/// The length of a text in quotes at the start, the quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote begins a character rather than a lifetime.
fn is_char(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (_, second) => second == Some('\''),
    }
}

/// Names of the modules in files of their own that are built for tests alone.
fn test_modules(code: &str) -> Vec<String> {
    let after = code.split("#[cfg(test)]").skip(1);
    let names = after.filter_map(|rest| {
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("pub(crate)").unwrap_or(rest).trim_start();
        let (name, _) = rest.strip_prefix("mod ")?.split_once(';')?;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_name.then(|| name.to_owned())
    });
    names.collect()
}

/// The code without the items that only tests are built with.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = after_item(&rest[at + "#[cfg(test)]".len()..]);
    }
    kept + rest
}

/// What follows the first item: up to its `;`, or to the brace that closes it.
fn after_item(code: &str) -> &str {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return &code[at + 1..],
            '}' => depth -= 1,
            ';' if depth == 0 => return &code[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Every path from the crate's root that a file names, in parts: `crate::a::{b, c}` gives two.
fn paths(source: &Source) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let code = &source.code;
    for (at, _) in code.match_indices("::") {
        let head = &code[..at];
        let word = head.rfind(|c| !is_word(c)).map_or(head, |i| &head[i + 1..]);
        let before = head[..head.len() - word.len()].trim_end();
        if before.ends_with("::") {
            continue; // not the first part
        }
        let base = match word {
            "crate" => Vec::new(),
            "super" => source.module[..source.module.len() - 1].to_vec(),
            _ => continue,
        };
        // A module inside a file adds one `super` more; such paths stay within the file's own module.
        tree(&code[at + 2..], base, &mut found);
    }
    found
}

/// Follows a path, and each branch of its braces.
fn tree<'a>(code: &'a str, mut at: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = code.trim_start();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = tree(rest, at.clone(), found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
                if !rest.starts_with('}')
                    && !rest.starts_with(|c: char| c.is_alphabetic() || "_*{".contains(c))
                {
                    break; // a pattern or an expression, no list of names
                }
            }
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        match word {
            "super" => {
                at.pop();
            }
            "self" | "" => {}
            word => at.push(word.to_owned()),
        }
        let Some(next) = after.trim_start().strip_prefix("::") else {
            found.push(at);
            let after = after.trim_start();
            // `as another name`
            return match after.strip_prefix("as ") {
                Some(name) => name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
                None => after,
            };
        };
        rest = next.trim_start();
        if word.is_empty() {
            return rest;
        }
    }
}

/// A table of ARCHITECTURE.md by the title of its first column: for each row the names in code in every column.
fn table(first_column: &str) -> Vec<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {first_column} |")))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let names = |cell: &str| -> Vec<String> {
        if cell.trim() == "all" {
            return vec!["all".to_owned()];
        }
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let rows: Vec<Vec<Vec<String>>> = rows
        .map(|row| row.trim_matches('|').split('|').map(names).collect())
        .collect();
    assert!(
        !rows.is_empty(),
        "ARCHITECTURE.md has no table of each {first_column}"
    );
    rows
}

/// For each module of the table, those that it may use.
fn layers() -> Vec<(String, BTreeSet<String>)> {
    let rows = table("module");
    let of = |row: &Vec<Vec<String>>| {
        let uses: BTreeSet<String> = row[2].iter().cloned().collect();
        let modules = row[0].clone().into_iter();
        modules.map(move |m| (m, uses.clone())).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of).collect()
}

#[test]
fn modules_use_what_the_table_says_and_nothing_else() {
    let layers = layers();
    let order: Vec<&str> = layers.iter().map(|(m, _)| m.as_str()).collect();
    let mut used: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        assert!(
            order.contains(&source.top()),
            "ARCHITECTURE.md's table lacks the module `{}`",
            source.top()
        );
        for path in paths(&source) {
            if path.is_empty() || path[0] == source.top() {
                continue;
            }
            let place = used.entry(source.top().to_owned()).or_default();
            place.entry(path[0].clone()).or_insert(source.path.clone());
        }
    }
    let nothing = BTreeMap::new();
    let mut wrong = Vec::new();
    for (at, (module, allowed)) in layers.iter().enumerate() {
        if allowed.contains("all") {
            assert_eq!(at, 0, "only what stands on top uses all");
            continue;
        }
        let found = used.get(module).unwrap_or(&nothing);
        for (other, place) in found {
            if !allowed.contains(other) {
                wrong.push(format!(
                    "`{module}` uses `{other}`, which the table lacks: {place}"
                ));
            }
        }
        for other in allowed {
            if !found.contains_key(other) {
                wrong.push(format!(
                    "the table says that `{module}` uses `{other}`, but it does not"
                ));
            }
            let below = order.iter().position(|m| m == other);
            if below.is_none_or(|below| below <= at) {
                wrong.push(format!(
                    "`{other}` does not stand below `{module}` in the table"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_where_the_table_says() {
    let rows = table("crate");
    let mut wrong = Vec::new();
    let sources = sources();
    for row in &rows {
        let (crates, modules) = (&row[0], &row[1]);
        for name in crates {
            let uses = |s: &&Source| {
                let code = format!(" {}", s.code);
                let called = format!("{name}::");
                code.match_indices(&called).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            };
            let found: Vec<&Source> = sources.iter().filter(uses).collect();
            assert!(
                !found.is_empty(),
                "nothing uses `{name}` any more: take it from the table"
            );
            for source in found {
                if !modules.iter().any(|m| m == source.top()) {
                    wrong.push(format!("{} uses {name}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_files_lean_on_each_other_in_a_circle() {
    // The window's frame and its screens meet in one file: the state is made of what the screens remember, and a screen
    // is shown the state. Beside that file neither may lead back to the other.
    let meeting = ["app", "screens"];
    let mut sources = sources();
    sources.retain(|source| source.module != meeting);
    let at = |path: &[String]| {
        (1..=path.len())
            .rev()
            .find_map(|n| sources.iter().position(|s| s.module == path[..n]))
    };
    let edges: Vec<BTreeSet<usize>> = sources
        .iter()
        .enumerate()
        .map(|(i, source)| {
            let targets = paths(source).into_iter().filter_map(|p| at(&p));
            // A module and the file above it are one thought: what lies in a folder may use what its head says.
            let apart = |&j: &usize| {
                let (a, b) = (&source.module, &sources[j].module);
                i != j && !a.starts_with(b) && !b.starts_with(a)
            };
            targets.filter(apart).collect()
        })
        .collect();
    let reaches = |from: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(i) = open.pop() {
            open.extend(edges[i].iter().filter(|&&j| seen.insert(j)));
        }
        seen
    };
    let reached: Vec<BTreeSet<usize>> = (0..sources.len()).map(reaches).collect();
    let circles: Vec<&str> = (0..sources.len())
        .filter(|&i| reached[i].contains(&i))
        .map(|i| sources[i].path.as_str())
        .collect();
    assert!(circles.is_empty(), "in circles: {}", circles.join(", "));
}

#[test]
fn no_two_types_have_one_name() {
    // Each subcommand has its own arguments, in a file of its own.
    const MANY: [&str; 1] = ["Args"];
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for line in source.code.lines() {
            let indent = line.len() - line.trim_start().len();
            let mut words = line
                .split_whitespace()
                .skip_while(|w| w.starts_with("pub") || w.ends_with(')'));
            let kind = words.next().unwrap_or_default();
            // Indented `type` lines are those of traits.
            let is_type = ["struct", "enum", "trait", "union"].contains(&kind)
                || kind == "type" && indent == 0;
            if !is_type {
                continue;
            }
            let name = words.next().unwrap_or_default();
            let name = name
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            let Some(name) = name.filter(|n| !n.is_empty() && !MANY.contains(n)) else {
                continue;
            };
            places
                .entry(name.to_owned())
                .or_default()
                .push(source.path.clone());
        }
    }
    let twice: Vec<String> = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(twice.is_empty(), "types of one name:\n{}", twice.join("\n"));
}

#[test]
fn what_reads_the_source_reads_it_right() {
    let code = code_of(
        "use crate::a; // crate::b\nlet t = \"crate::c\\\"\"; /* crate::d */ r#\"crate::e\"#; 'x'; &'a crate::f::{g::h, i as j, self}; for_each(r)",
    );
    let source = Source {
        path: String::new(),
        module: vec!["m".to_owned(), "n".to_owned()],
        code: code + " super::super::k::l; super::{o, p::q};",
    };
    let found: Vec<String> = paths(&source).iter().map(|p| p.join("/")).collect();
    assert_eq!(
        found,
        ["a", "f/g/h", "f/i", "f", "k/l", "m/o", "m/p/q"],
        "{}",
        source.code
    );
    let code = "fn a() {} #[cfg(test)] mod tests { fn b() { {} } } fn c() {} #[cfg(test)] pub(crate) mod toy; fn d() {}";
    assert_eq!(
        without_tests(code).split_whitespace().collect::<String>(),
        "fna(){}fnc(){}fnd(){}"
    );
    assert_eq!(test_modules(code), ["toy"]);
}
