//! The rules of ARCHITECTURE.md and STYLE.md that a machine can keep: floors, circles, sizes, names, and where `unsafe`
//! may stand.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::Crate;

/// The root of each crate, and its modules in floors, the lowest first. A module imports only from lower floors, from
/// within itself, or as `ALLOWED` says. `commands/*` stands for each module in `commands`.
const FLOORS: [(&str, &[&[&str]]); 8] = [
    (
        "crates/longspan-kernels/src/lib.rs",
        &[
            &["isa", "matrix", "format", "activation"],
            &["avx512", "row_ops", "dropout", "reference"],
            &["arithmetic"],
            &["packing"],
            &["tiles", "panels"],
            &["product"],
            &["attention"],
        ],
    ),
    (
        "crates/longspan/src/lib.rs",
        &[
            &["error"],
            &["json", "tensor", "random", "prefetch"],
            &["config"],
            &["tokenizer", "checkpoint", "hub"],
            &["model"],
            &["reader", "squad"],
            &["pretrain", "train", "evaluate", "convert"],
        ],
    ),
    (
        "crates/longspan-ask/src/lib.rs",
        &[
            &["text"],
            &["child", "snippet", "model"],
            &["source"],
            &["answer", "error", "cite"],
            &["wire", "asker"],
            &["scheduler"],
        ],
    ),
    (
        "crates/longspan-cite/src/lib.rs",
        &[
            &["fold", "words"],
            &["layout", "joints", "meaning", "marks", "html"],
            &["compare", "quotation"],
            &["units", "find"],
            &["align"],
            &["edits"],
            &["region"],
            &["check", "extract"],
        ],
    ),
    (
        "crates/longspan-documents/src/lib.rs",
        &[
            &["format", "limits", "line", "map", "note_mark", "numerals", "shift", "unpack", "warning"],
            &["error", "content", "csv"],
            &["builder", "detect", "encoding", "plain", "binary", "xml"],
            &["container", "flow", "html", "left_out", "pdf"],
            &["docx", "epub", "odt", "markdown"],
            &["read"],
        ],
    ),
    (
        "crates/longspan-cli/src/main.rs",
        &[
            &["status", "memory", "lines"],
            &["terminal"],
            &["folder", "machine", "recipe", "panics"],
            &["cli"],
            &["model", "data"],
            &["run"],
            &["commands/*", "serve"],
        ],
    ),
    (
        "crates/longspan-python/src/lib.rs",
        &[&["errors"], &["watch", "options"], &["document", "figures"], &["citing", "reader"], &["module"]],
    ),
    ("fuzz/src/lib.rs", &[&["case", "mend"], &["targets"], &["seeds", "mutate", "trial"]]),
];

/// (module, a module not below it that it may import).
const ALLOWED: [(&str, &str); 3] = [("hub", "checkpoint"), ("train", "evaluate"), ("pretrain", "train")];

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
    ["crates", "fuzz"].iter().for_each(|folder| walk(&root().join(folder), &mut found));
    found.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, fs::read_to_string(path).unwrap())
    };
    found.iter().map(read).collect()
}

/// A crate's root as `FLOORS` names it, its floors and its files.
type Listed = (&'static str, &'static [&'static [&'static str]], Crate);

fn crates() -> impl Iterator<Item = Listed> {
    FLOORS.iter().map(|&(path, floors)| (path, floors, Crate::read(&root().join(path))))
}

#[test]
fn every_crate_has_its_floors() {
    let on_disk = fs::read_dir(root().join("crates")).unwrap().count() + 1; // and `fuzz`
    assert_eq!(FLOORS.len(), on_disk, "FLOORS lists another number of crates than there are");
}

/// The listed module to which a module belongs, and its floor.
fn place(module: &str, floors: &[&[&str]]) -> Option<(String, usize)> {
    let floor = |name: &str| floors.iter().position(|modules| modules.contains(&name));
    let names: Vec<&str> = module.split('/').collect();
    let outer = floor(names[0]).map(|floor| (names[0].to_owned(), floor));
    outer.or_else(|| Some((names.get(..2)?.join("/"), floor(&format!("{}/*", names[0]))?)))
}

#[test]
fn modules_import_from_lower_floors_only() {
    let mut imports = 0;
    for (path, floors, krate) in crates() {
        let mut wrong = Vec::new();
        for (number, file) in krate.files.iter().enumerate().skip(1) {
            let used = krate.imports(number);
            if file.module == "commands" && used.is_empty() {
                continue; // it only declares the commands
            }
            let (module, own) =
                place(&file.module, floors).unwrap_or_else(|| panic!("{path}: no floor: {}", file.module));
            for used in used.iter().map(|used| krate.files[*used].module.as_str()) {
                imports += 1;
                let below = place(used, floors).is_some_and(|(theirs, floor)| {
                    floor < own || theirs == module || ALLOWED.contains(&(&module, &theirs))
                });
                if !below {
                    wrong.push(format!("`{}` imports `{used}`", file.module));
                }
            }
        }
        assert!(wrong.is_empty(), "{path}: not from a lower floor:\n{}", wrong.join("\n"));
    }
    assert!(imports > 100, "{imports} imports found");
}

/// A file imports another when it uses an item that the other declares, by whatever path. A parent that declares modules
/// and passes their items on does not import them.
#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut circles = Vec::new();
    for (path, _, krate) in crates() {
        let count = krate.files.len();
        let imports: Vec<_> = (0..count).map(|file| krate.imports(file)).collect();
        let reached: Vec<_> = (0..count).map(|file| reached_from(file, &imports)).collect();
        let mut seen = BTreeSet::new();
        for file in 0..count {
            let circle: Vec<_> = reached[file].iter().filter(|other| reached[**other].contains(&file)).collect();
            if !circle.is_empty() && seen.insert(circle[0]) {
                let names = circle.iter().map(|other| krate.files[**other].module.as_str()).collect::<Vec<_>>();
                circles.push(format!("{path}: {}", names.join(", ")));
            }
        }
    }
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n"));
}

/// The files that a file imports from, directly or through others.
fn reached_from(file: usize, imports: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        next.extend(imports[file].iter().filter(|other| reached.insert(**other)));
    }
    reached
}

/// What counts: structs, enums, traits, unions and aliases at the top of a file, public or not, and in calls of macros
/// there; not what is compiled for tests only, nor the associated types of traits.
#[test]
fn a_type_name_means_one_type() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, _, krate) in crates() {
        let root = path.split("/src/").next().unwrap();
        for file in krate.files {
            for name in file.types {
                places.entry(name).or_default().insert(format!("{root}/{}", file.module));
            }
        }
    }
    let shared = places.iter().filter(|(_, places)| places.len() > 1);
    let shared: Vec<_> = shared.map(|(name, places)| format!("{name}: {places:?}")).collect();
    let count = shared.len();
    assert!(shared.is_empty(), "{count} of {} names are shared:\n{}", places.len(), shared.join("\n"));
}

#[test]
fn parameters_are_not_tuples() {
    let mut found = Vec::new();
    for (path, _, krate) in crates() {
        for file in krate.files {
            found.extend(file.with_tuples.iter().map(|name| format!("{path}: {}: {name}", file.module)));
        }
    }
    assert!(found.is_empty(), "{} functions with tuples:\n{}", found.len(), found.join("\n"));
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
        let allowed =
            UNSAFE_ALLOWED.iter().any(|place| path.starts_with(place)) || path.ends_with("tests/architecture/main.rs");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            let found = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            assert!(allowed || !found, "`{path}`:{}: unsafe", number + 1);
        }
    }
}
