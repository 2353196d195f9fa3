//! A plain reader of Rust: the module tree of a crate, the files that each file imports from, and the types it declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The files of a crate that are compiled without its tests.
pub struct Crate {
    /// The root first, each file behind its parent.
    pub files: Vec<File>,
}

/// A file, which is a module.
pub struct File {
    /// The names of the module from the root of the crate: `model/batch`; of the root, nothing.
    pub module: String,
    /// Names of structs, enums, traits, unions and aliases at the top of the file, or of a macro call there.
    pub types: Vec<String>,
    /// Names of functions with a tuple among their parameters.
    pub with_tuples: Vec<String>,
    parent: usize,
    children: BTreeMap<String, usize>,
    imports: Vec<Import>,
    /// Paths outside of `use`; a bare name is a path of one name.
    uses: BTreeSet<Vec<String>>,
}

/// One name that a `use` brings in.
struct Import {
    path: Vec<String>,
    alias: String,
    /// Others may import it from here.
    passes_on: bool,
}

/// Where a path leads.
enum Target {
    /// A module, or an item of another crate.
    Elsewhere,
    /// Something that this file declares.
    Item(usize),
}

impl Crate {
    /// Reads a crate from its root, `lib.rs` or `main.rs`.
    pub fn read(root: &Path) -> Self {
        let mut all = Self { files: Vec::new() };
        all.load(root, root.parent().unwrap(), "", 0);
        all
    }

    /// Reads a file and the modules that it declares, whose files lie in `folder`.
    fn load(&mut self, path: &Path, folder: &Path, module: &str, parent: usize) -> usize {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut tokens = Vec::new();
        flatten(text.parse().unwrap(), &mut tokens);
        let (file, declared) = File::read(&tokens, module, parent);
        let index = self.files.len();
        self.files.push(file);
        for name in declared {
            let inner = folder.join(&name);
            let path = Some(inner.join("mod.rs")).filter(|path| path.exists());
            let path = path.unwrap_or_else(|| folder.join(format!("{name}.rs")));
            let module = if module.is_empty() { name.clone() } else { format!("{module}/{name}") };
            let child = self.load(&path, &inner, &module, index);
            self.files[index].children.insert(name, child);
        }
        index
    }

    /// The files whose items a file uses or passes on. Declaring a module is no use of it, nor is passing on what the
    /// modules below the file have.
    pub fn imports(&self, file: usize) -> BTreeSet<usize> {
        let File { module, imports, uses, .. } = &self.files[file];
        let is_below = |other: usize| module.is_empty() || self.files[other].module.starts_with(&format!("{module}/"));
        let imported = imports.iter().map(|import| (&import.path, import.passes_on));
        let paths = imported.chain(uses.iter().map(|path| (path, false)));
        let items = paths.filter_map(|(path, passes_on)| match self.resolve(file, path) {
            Some(Target::Item(used)) if used != file && !(passes_on && is_below(used)) => Some(used),
            _ => None,
        });
        items.collect()
    }

    /// Where a path leads in a file; nowhere where it begins with another crate or a local name.
    fn resolve(&self, file: usize, path: &[String]) -> Option<Target> {
        let File { parent, children, imports, .. } = &self.files[file];
        match path[0].as_str() {
            "crate" => Some(self.walk(0, &path[1..])),
            "self" => Some(self.walk(file, &path[1..])),
            "super" => Some(self.walk(*parent, &path[1..])),
            name if children.contains_key(name) => Some(self.walk(file, path)),
            name => {
                let import = imports.iter().find(|import| import.alias == name && import.path[0] != name)?;
                self.resolve(file, &[&import.path, &path[1..]].concat())
            }
        }
    }

    /// Follows names from a module, through what modules pass on.
    fn walk(&self, file: usize, path: &[String]) -> Target {
        let Some((name, rest)) = path.split_first() else { return Target::Elsewhere };
        let File { parent, children, imports, .. } = &self.files[file];
        if name == "super" {
            self.walk(*parent, rest)
        } else if let Some(child) = children.get(name) {
            self.walk(*child, rest)
        } else {
            let Some(passed_on) = imports.iter().find(|import| import.alias == *name) else {
                return Target::Item(file);
            };
            let target = self.resolve(file, &[&passed_on.path, rest].concat());
            target.unwrap_or(Target::Elsewhere)
        }
    }
}

impl File {
    /// The file of these tokens, and the modules that it declares.
    fn read(tokens: &[String], module: &str, parent: usize) -> (Self, Vec<String>) {
        let (mut declared, mut at) = (Vec::new(), 0);
        let mut open = Vec::new(); // for each brace, whether it begins the arguments of a macro
        let mut file = Self {
            module: module.into(),
            types: Vec::new(),
            with_tuples: Vec::new(),
            parent,
            children: BTreeMap::new(),
            imports: Vec::new(),
            uses: BTreeSet::new(),
        };
        let token = |at: usize| tokens.get(at).map_or("", String::as_str);
        while at < tokens.len() {
            let before = token(at.wrapping_sub(1));
            match token(at) {
                "{" => open.push(before == "!"),
                "}" => drop(open.pop()),
                "mod" if token(at + 2) == ";" => declared.push(token(at + 1).to_owned()),
                "use" => {
                    let passes_on = ["pub", ")"].contains(&before);
                    at += 1;
                    use_tree(tokens, &mut at, &[], &mut |path, alias| {
                        file.imports.push(Import { path, alias, passes_on });
                    });
                    continue;
                }
                "struct" | "enum" | "trait" | "union" | "type" if !open.contains(&false) && is_name(token(at + 1)) => {
                    file.types.push(token(at + 1).to_owned());
                }
                "fn" if is_name(token(at + 1)) && has_tuple(&tokens[at..]) => {
                    file.with_tuples.push(token(at + 1).to_owned());
                }
                name if is_name(name) && !["::", ".", "$"].contains(&before) && token(at + 1) != ":" => {
                    let mut path = vec![name.to_owned()];
                    while token(at + 1) == "::" && is_name(token(at + 2)) {
                        path.push(token(at + 2).to_owned());
                        at += 2;
                    }
                    file.uses.insert(path);
                }
                _ => {}
            }
            at += 1;
        }
        (file, declared)
    }
}

/// Tokens in one list, brackets and `::` among them, without attributes of documentation and without items for tests.
fn flatten(code: TokenStream, tokens: &mut Vec<String>) {
    let mut code = code.into_iter().peekable();
    while let Some(tree) = code.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let attribute = code.peek().map(ToString::to_string).unwrap_or_default();
                if attribute.starts_with("[doc") {
                    code.next();
                } else if attribute.starts_with("[cfg (test") || attribute.starts_with("[cfg (all (test") {
                    let ends = |tree: &TokenTree| match tree {
                        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                        other => other.to_string() == ";",
                    };
                    code.by_ref().find(ends);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint => {
                code.next();
                tokens.push("::".into());
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(open.into());
                flatten(group.stream(), tokens);
                tokens.push(close.into());
            }
            other => tokens.push(other.to_string()),
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Hands each path of the `use` tree at `at`, and the name that it gets, to `found`.
fn use_tree(tokens: &[String], at: &mut usize, prefix: &[String], found: &mut dyn FnMut(Vec<String>, String)) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    loop {
        match tokens[*at].as_str() {
            "{" => {
                *at += 1;
                while tokens[*at] != "}" {
                    use_tree(tokens, at, &path, found);
                    *at += usize::from(tokens[*at] == ",");
                }
                *at += 1;
                return;
            }
            "," | ";" | "}" => {
                if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
                    path.pop();
                }
                let alias = alias.unwrap_or_else(|| path.last().unwrap().clone());
                return found(path, alias);
            }
            "as" => {
                alias = Some(tokens[*at + 1].clone());
                *at += 1;
            }
            "::" => {}
            name => path.push(name.into()),
        }
        *at += 1;
    }
}

/// Whether a parameter of the function at the start of `tokens` is a tuple, or a reference to one.
fn has_tuple(tokens: &[String]) -> bool {
    let mut depth = 0; // of generics before the parameters, then of brackets
    let mut inside = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "<" => depth += 1,
            ">" if tokens[at - 1] != "-" => depth -= 1,
            "(" if !inside && depth == 0 => inside = true,
            "(" | "[" => depth += 1,
            ")" if inside && depth == 0 => return false,
            ")" | "]" => depth -= 1,
            ":" if inside && depth == 0 => {
                let mut kind = tokens[at + 1..].iter().skip_while(|token| ["&", "mut"].contains(&token.as_str()));
                if kind.next().is_some_and(|token| token == "(") && kind.next().is_some_and(|token| token != ")") {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
