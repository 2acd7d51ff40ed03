//! The paths that an item mentions.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Macro, Path, Stmt, UseTree, Visibility};

use super::modules::is_for_tests;

/// A path as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    /// Whether it is a path of this module for sure; what a macro is handed may be one of another place.
    pub(crate) sure: bool,
}

impl Reference {
    pub(crate) fn sure(path: Vec<String>) -> Reference {
        Reference { path, sure: true }
    }
}

/// All paths in an item.
pub(crate) fn of(item: &Item) -> Vec<Reference> {
    let mut found = Found::default();
    found.visit_item(item);
    found.0
}

/// The attributes of an item that can have a condition.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[derive(Default)]
struct Found(Vec<Reference>);

impl Found {
    fn imported(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        let depth = path.len();
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.imported(&step.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imported(tree, path);
                }
            }
            UseTree::Name(named) if named.ident != "self" => path.push(named.ident.to_string()),
            UseTree::Rename(renamed) if renamed.ident != "self" => {
                path.push(renamed.ident.to_string());
            }
            UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => {}
        }
        if !matches!(tree, UseTree::Path(_) | UseTree::Group(_)) {
            self.0.push(Reference::sure(path.clone()));
        }
        path.truncate(depth);
    }

    /// Paths in what a macro is handed, whose grammar is the macro's own.
    fn in_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                _ => {
                    self.end(&mut path);
                    colons = 0;
                }
            }
            if let TokenTree::Group(group) = token {
                self.in_tokens(group.stream());
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            let path = std::mem::take(path);
            self.0.push(Reference { path, sure: false });
        }
    }
}

impl<'a> Visit<'a> for Found {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs[..],
            ImplItem::Const(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.imported(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'a Path) {
        // `::name` is another crate's.
        if path.leading_colon.is_none() {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.0.push(Reference::sure(names.collect()));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        self.visit_path(&call.path);
        self.in_tokens(call.tokens.clone());
    }

    // Neither is a need: `pub(super)`, `#[derive(...)]`.
    fn visit_visibility(&mut self, _visibility: &'a Visibility) {}
    fn visit_attribute(&mut self, _attribute: &'a Attribute) {}
}
