//! Files that need each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use super::modules::Tree;

/// By the files of each need: what the first takes from the second.
type Needs = BTreeMap<(usize, usize), BTreeSet<String>>;

/// A shortest way round, from file to file, with the names that each takes from the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) steps: Vec<Step>,
}

/// One file of a circle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) file: PathBuf,
    pub(crate) takes: Vec<String>,
    pub(crate) from: PathBuf,
}

impl Display for Circle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "a circle of {}", self.steps.len())?;
        self.steps.iter().try_for_each(|step| {
            let (file, from) = (step.file.display(), step.from.display());
            write!(f, "\n  {file} takes {} from {from}", step.takes.join(", "))
        })
    }
}

/// Circles of a crate's files. Each shows a shortest one of files that need each other; while there is one,
/// others through the same files may not be shown.
pub(crate) fn circles(tree: &Tree) -> Vec<Circle> {
    let needs = needs(tree);
    let mut shown = BTreeSet::<usize>::new();
    let mut circles = Vec::new();
    for start in 0..tree.files.len() {
        if shown.contains(&start) {
            continue;
        }
        let Some(way) = way_round(&needs, start) else {
            continue;
        };
        shown.extend(&way);
        let next = way.iter().cycle().skip(1);
        let steps = way.iter().zip(next).map(|(file, from)| Step {
            file: tree.files[*file].clone(),
            takes: needs[&(*file, *from)].iter().cloned().collect(),
            from: tree.files[*from].clone(),
        });
        circles.push(Circle {
            steps: steps.collect(),
        });
    }
    circles
}

fn needs(tree: &Tree) -> Needs {
    let mut needs = Needs::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for reference in &module.references {
            for definition in tree.definitions(index, reference) {
                if definition.file != module.file {
                    let key = (module.file, definition.file);
                    needs.entry(key).or_default().insert(definition.name);
                }
            }
        }
    }
    needs
}

/// The files of a shortest way from `start` back to itself.
fn way_round(needs: &Needs, start: usize) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut front = vec![start];
    while !front.is_empty() {
        let mut next = Vec::new();
        for file in front {
            for (_, needed) in needs
                .range((file, 0)..=(file, usize::MAX))
                .map(|(key, _)| key)
            {
                if *needed == start {
                    let back =
                        std::iter::successors(Some(file), |file| came_from.get(file).copied());
                    let mut way: Vec<_> = back.collect();
                    way.reverse();
                    return Some(way);
                }
                if !came_from.contains_key(needed) {
                    came_from.insert(*needed, file);
                    next.push(*needed);
                }
            }
        }
        front = next;
    }
    None
}
