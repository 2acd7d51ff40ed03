//! The modules of a crate as its sources declare them: in which file each is, what its names are bound to, and
//! which paths it mentions. Modules and items that are compiled for tests alone are left out.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, Item, ItemMod, Meta, UseTree, Visibility};

use super::references::{self, Reference};

/// What a name of a module is bound to. A name may be bound more than once: to a type and to a function, or
/// for several architectures.
#[derive(Debug)]
pub(crate) enum Binding {
    /// Something that the module's file defines.
    Item,
    /// A module, by its index.
    Module(usize),
    /// What a path leads to.
    Import(Vec<String>),
}

#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The module around it; none for a crate's root.
    pub(crate) parent: Option<usize>,
    pub(crate) file: usize,
    pub(crate) bindings: HashMap<String, Vec<Binding>>,
    /// Modules of which all names are imported.
    pub(crate) globs: Vec<Vec<String>>,
    /// Names of `macro_rules!`, which modules below see without a path.
    pub(crate) macros: Vec<String>,
    pub(crate) references: Vec<Reference>,
}

/// All modules below a folder of sources: the library's, and each program's.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Relative to the folder.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) modules: Vec<Module>,
    folder: PathBuf,
}

impl Tree {
    /// Reads `lib.rs`, `main.rs` and `bin/*.rs` of a folder with all modules that they declare.
    pub(crate) fn read(folder: &Path) -> Tree {
        let mut tree = Tree {
            folder: folder.to_owned(),
            ..Tree::default()
        };
        let bins = fs::read_dir(folder.join("bin")).into_iter().flatten();
        let bins = bins.map(|entry| entry.expect("an entry").path());
        let roots = ["lib.rs", "main.rs"].map(|name| folder.join(name));
        for root in roots.into_iter().chain(bins).filter(|path| path.is_file()) {
            let below = root.parent().expect("a folder").to_owned();
            tree.read_file(&root, &below, None);
        }
        tree
    }

    /// Reads the module that is a file; its own modules are files of the folder `below`.
    fn read_file(&mut self, path: &Path, below: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let source = syn::parse_file(&text);
        let source = source.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let relative = path
            .strip_prefix(&self.folder)
            .expect("a file of the folder");
        let file = match self.files.iter().position(|known| known == relative) {
            Some(file) => file,
            None => {
                self.files.push(relative.to_owned());
                self.files.len() - 1
            }
        };
        let module = self.add(file, parent);
        self.take_items(module, &source.items, below);
        module
    }

    fn add(&mut self, file: usize, parent: Option<usize>) -> usize {
        self.modules.push(Module {
            parent,
            file,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    fn take_items(&mut self, module: usize, items: &[Item], below: &Path) {
        for item in items {
            self.take(module, item, below);
        }
    }

    fn take(&mut self, module: usize, item: &Item, below: &Path) {
        if is_for_tests(references::attributes(item)) {
            return;
        }
        match item {
            Item::Mod(inner) => {
                let child = self.read_module(module, inner, below);
                self.bind(module, inner.ident.to_string(), Binding::Module(child));
                return;
            }
            Item::Use(item) => {
                let handed_on = !matches!(item.vis, Visibility::Inherited);
                self.import(module, &item.tree, &mut Vec::new(), handed_on);
                return;
            }
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.modules[module].macros.push(name.to_string());
                    self.bind(module, name.to_string(), Binding::Item);
                }
                for items in item_lists(item.mac.tokens.clone()) {
                    self.take_items(module, &items, below);
                }
            }
            _ => {
                if let Some(name) = name_of(item) {
                    self.bind(module, name, Binding::Item);
                }
            }
        }
        let references = references::of(item);
        self.modules[module].references.extend(references);
    }

    /// A module between braces, or one of a file of its own.
    fn read_module(&mut self, parent: usize, item: &ItemMod, below: &Path) -> usize {
        let name = item.ident.to_string();
        let folder = below.join(&name);
        if let Some((_, items)) = &item.content {
            let child = self.add(self.modules[parent].file, Some(parent));
            self.take_items(child, items, &folder);
            return child;
        }
        let beside = below.join(format!("{name}.rs"));
        match beside.is_file() {
            true => self.read_file(&beside, &folder, Some(parent)),
            false => self.read_file(&folder.join("mod.rs"), &folder, Some(parent)),
        }
    }

    fn bind(&mut self, module: usize, name: String, binding: Binding) {
        let bindings = &mut self.modules[module].bindings;
        bindings.entry(name).or_default().push(binding);
    }

    /// Binds the names of an import. One that is not handed on to other modules is for the module itself, which
    /// thus needs what it names.
    fn import(&mut self, module: usize, tree: &UseTree, path: &mut Vec<String>, handed_on: bool) {
        let depth = path.len();
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(module, &step.tree, path, handed_on);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(module, tree, path, handed_on);
                }
            }
            UseTree::Glob(_) => self.modules[module].globs.push(path.clone()),
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (name, alias) = match tree {
                    UseTree::Rename(renamed) => (&renamed.ident, renamed.rename.to_string()),
                    UseTree::Name(named) => (&named.ident, named.ident.to_string()),
                    _ => unreachable!("one of the two"),
                };
                if name != "self" {
                    path.push(name.to_string());
                }
                let alias = match alias.as_str() {
                    "self" => path.last().cloned().unwrap_or(alias),
                    _ => alias,
                };
                if !handed_on {
                    let path = path.clone();
                    self.modules[module].references.push(Reference::sure(path));
                }
                self.bind(module, alias, Binding::Import(path.clone()));
            }
        }
        path.truncate(depth);
    }
}

/// The name that an item defines for its module.
fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::TraitAlias(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// Items that a macro is handed between braces, as for a choice between architectures.
fn item_lists(tokens: TokenStream) -> Vec<Vec<Item>> {
    let mut lists = Vec::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            continue;
        };
        if group.delimiter() != Delimiter::Brace {
            continue;
        }
        match syn::parse2::<syn::File>(group.stream()) {
            Ok(file) => lists.push(file.items),
            Err(_) => lists.extend(item_lists(group.stream())),
        }
    }
    lists
}

/// Whether `#[cfg(test)]` stands there, alone or as one of `all(...)`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|meta| asks_for_tests(&meta))
    })
}

fn asks_for_tests(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            let all = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
            list.parse_args_with(all)
                .is_ok_and(|all| all.iter().any(asks_for_tests))
        }
        _ => false,
    }
}
