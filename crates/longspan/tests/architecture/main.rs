//! The rules of ARCHITECTURE.md and STYLE.md that a machine can keep: floors, sizes, and where `unsafe` may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors of the library, the lowest first. A module imports only from lower floors, or as `SAME_FLOOR` says.
const FLOORS: [&[&str]; 5] = [
    &["error", "config", "tensor", "random", "ahead"],
    &["tokenizer", "checkpoint", "hub"],
    &["model"],
    &["reader", "squad"],
    &["pretrain", "train", "evaluate", "convert"],
];

/// (module, the module of its own floor that it may import).
const SAME_FLOOR: [(&str, &str); 3] = [("hub", "checkpoint"), ("train", "evaluate"), ("pretrain", "train")];

const LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// The one argued exception outside the kernels: the memory map of a checkpoint.
const UNSAFE_ALLOWED: [&str; 2] = ["crates/longspan-kernels/", "crates/longspan/src/checkpoint/bytes.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Rust file of the workspace, with its path from the root.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("crates"), &mut found);
    found.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, fs::read_to_string(path).unwrap())
    };
    found.iter().map(read).collect()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The first names of a path behind `crate::`: of `{a, b::c}` both `a` and `b`.
fn names(path: &str) -> Vec<&str> {
    match path.strip_prefix('{').and_then(|group| group.split('}').next()) {
        Some(group) => group.split(',').filter_map(|part| part.trim().split("::").next()).collect(),
        None => path.split(|c: char| !c.is_alphanumeric() && c != '_').take(1).collect(),
    }
}

#[test]
fn modules_import_from_lower_floors_only() {
    let mut imports = 0;
    for (path, text) in sources() {
        let Some(inside) = path.strip_prefix("crates/longspan/src/") else { continue };
        let module = inside.split(['/', '.']).next().unwrap();
        let Some(own) = floor(module) else {
            assert_eq!(module, "lib", "`{path}` is on no floor");
            continue;
        };
        // Tests at the end of a file may look anywhere.
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for import in code.split("crate::").skip(1) {
            for used in names(import) {
                // `Error` and `Result` are given again by lib.rs, from the lowest floor.
                if ["Error", "Result", "error"].contains(&used) {
                    continue;
                }
                let theirs = floor(used).unwrap_or_else(|| panic!("`{path}` imports `crate::{used}`"));
                imports += 1;
                let allowed = used == module || theirs < own || SAME_FLOOR.contains(&(module, used));
                assert!(allowed, "`{path}`, floor {own}, imports `{used}` of floor {theirs}");
            }
        }
    }
    assert!(imports > 10, "{imports} imports found");
}

#[test]
fn files_and_functions_stay_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "`{path}` has {lines} lines, the most is {LINES_MAX}");
        let mut open: Option<(usize, usize, &str)> = None; // first line, indent and text of a function
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            let words = || code.split(' ').take_while(|word| !word.starts_with("//"));
            match open {
                None if words().take(4).any(|word| word == "fn") && line.ends_with(['{', '(']) => {
                    open = Some((number, indent, code));
                }
                Some((first, at, head)) if code == "}" && indent == at => {
                    let length = number + 1 - first;
                    assert!(length <= FUNCTION_LINES_MAX, "`{path}`: {length} lines in `{head}`");
                    open = None;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn unsafe_stands_in_the_kernels_only() {
    for (path, text) in sources() {
        let allowed = UNSAFE_ALLOWED.iter().any(|place| path.starts_with(place)) || path.ends_with("tests/house.rs");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let found = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            assert!(allowed || !found, "`{path}`:{}: unsafe", number + 1);
        }
    }
}
