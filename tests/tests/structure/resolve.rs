//! From a path to the files that define what it names, through imports and what modules hand on.

use std::collections::HashSet;

use super::modules::{Binding, Tree};
use super::references::Reference;

/// Something that a path names: a file that defines an item, and the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) file: usize,
    pub(crate) name: String,
}

/// Where a step of a path leads.
#[derive(Clone, Debug)]
enum Place {
    Module(usize),
    Item(Definition),
}

/// Modules and names that are being looked up, so that imports of each other end.
type Seen = HashSet<(usize, String)>;

impl Tree {
    /// What a path that is written in a module names; nothing for what other crates define.
    pub(crate) fn definitions(&self, module: usize, reference: &Reference) -> Vec<Definition> {
        let places = self.follow(module, &reference.path, reference.sure, &mut Seen::new());
        let items = places.into_iter().filter_map(|place| match place {
            Place::Item(definition) => Some(definition),
            Place::Module(_) => None,
        });
        items.collect()
    }

    /// Follows a path step by step. What is behind an item (variants, associated functions) is the item's.
    fn follow(&self, module: usize, path: &[String], sure: bool, seen: &mut Seen) -> Vec<Place> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let parent = self.modules[module].parent;
        let start = match first.as_str() {
            "crate" => vec![Place::Module(self.root(module))],
            "self" => vec![Place::Module(module)],
            "super" => parent.map(Place::Module).into_iter().collect(),
            name => {
                let found = self.bound(module, name, seen);
                match found.is_empty() && rest.is_empty() {
                    true => self.macros_above(module, name),
                    false => found,
                }
            }
        };
        let mut ends = Vec::new();
        for place in start {
            match place {
                Place::Module(start) if !rest.is_empty() => {
                    ends.extend(self.step(start, rest, sure, seen));
                }
                place => ends.push(place),
            }
        }
        ends
    }

    /// The rest of a path, from a module on.
    fn step(&self, module: usize, path: &[String], sure: bool, seen: &mut Seen) -> Vec<Place> {
        let (first, rest) = path.split_first().expect("a rest");
        if first == "super" {
            return self.follow(module, path, sure, seen);
        }
        let found = self.bound(module, first, seen);
        if found.is_empty() && sure && seen.is_empty() {
            // A macro of that file defines it.
            let (file, name) = (self.modules[module].file, first.clone());
            return vec![Place::Item(Definition { file, name })];
        }
        let mut ends = Vec::new();
        for place in found {
            match place {
                Place::Module(next) if !rest.is_empty() => {
                    ends.extend(self.step(next, rest, sure, seen));
                }
                place => ends.push(place),
            }
        }
        ends
    }

    /// What a name of a module is bound to, by itself or by modules of which it takes all names.
    fn bound(&self, module: usize, name: &str, seen: &mut Seen) -> Vec<Place> {
        if !seen.insert((module, name.to_owned())) {
            return Vec::new();
        }
        let this = &self.modules[module];
        let mut places = Vec::new();
        for binding in this.bindings.get(name).into_iter().flatten() {
            match binding {
                Binding::Item => places.push(Place::Item(Definition {
                    file: this.file,
                    name: name.to_owned(),
                })),
                Binding::Module(child) => places.push(Place::Module(*child)),
                Binding::Import(path) => places.extend(self.follow(module, path, true, seen)),
            }
        }
        if places.is_empty() {
            for path in &this.globs {
                for place in self.follow(module, path, true, seen) {
                    if let Place::Module(from) = place {
                        places.extend(self.bound(from, name, seen));
                    }
                }
            }
        }
        seen.remove(&(module, name.to_owned()));
        places
    }

    /// `macro_rules!` of modules around this one are seen without a path.
    fn macros_above(&self, module: usize, name: &str) -> Vec<Place> {
        let above = std::iter::successors(Some(module), |module| self.modules[*module].parent);
        let mut above = above.map(|module| &self.modules[module]);
        let found = above.find(|module| module.macros.iter().any(|known| known == name));
        let found = found.map(|module| {
            Place::Item(Definition {
                file: module.file,
                name: name.to_owned(),
            })
        });
        found.into_iter().collect()
    }

    fn root(&self, module: usize) -> usize {
        let above = std::iter::successors(Some(module), |module| self.modules[*module].parent);
        above.last().expect("a module is above itself")
    }
}
