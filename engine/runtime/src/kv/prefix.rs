//! Blocks of finished sequences, by their tokens.
//!
//! A tree: a block's keys and values depend on all tokens before it, so it hangs below the block of
//! those. Only a block without one below it may hold fewer tokens than it has positions. What was used
//! longest ago goes first (as in vLLM's prefix caching and SGLang's radix attention).

use std::collections::HashMap;
use std::sync::Arc;

use super::shape::BLOCK_POSITIONS;

/// Names a node for as long as it is there.
type NodeId = u64;

/// The root, which has no block.
const ROOT: NodeId = 0;

/// The tree. `B` is a block; tests have simpler ones.
#[derive(Debug)]
pub(super) struct PrefixIndex<B> {
    /// Without the root.
    nodes: HashMap<NodeId, Node<B>>,
    /// Nodes below the root.
    first: Vec<NodeId>,
    last_id: NodeId,
    /// Counts uses, which are the time here.
    now: u64,
}

#[derive(Debug)]
struct Node<B> {
    parent: NodeId,
    children: Vec<NodeId>,
    /// At least one, at most [`BLOCK_POSITIONS`].
    tokens: Box<[u32]>,
    block: Arc<B>,
    used: u64,
}

/// What is known of a sequence that begins with certain tokens.
#[derive(Debug)]
pub(crate) struct Known<B> {
    /// Blocks that are full of its first tokens.
    pub(crate) full: Vec<Arc<B>>,
    /// The block after these, and how many of its tokens are the next ones; at least one.
    pub(crate) part: Option<(Arc<B>, usize)>,
}

impl<B> PrefixIndex<B> {
    pub(super) fn new() -> Self {
        Self {
            nodes: HashMap::new(),
            first: Vec::new(),
            last_id: ROOT,
            now: 0,
        }
    }

    /// The most that is known of `tokens`, which counts as a use of it.
    pub(super) fn find(&mut self, tokens: &[u32]) -> Known<B> {
        self.now += 1;
        let mut known = Known {
            full: Vec::new(),
            part: None,
        };
        let (mut at, mut rest) = (ROOT, tokens);
        while let Some((id, common)) = self.closest(at, rest) {
            let now = self.now;
            let Some(node) = self.nodes.get_mut(&id) else {
                break;
            };
            node.used = now;
            let block = Arc::clone(&node.block);
            if common < BLOCK_POSITIONS {
                known.part = Some((block, common));
                break;
            }
            known.full.push(block);
            (at, rest) = (id, &rest[common..]);
        }
        known
    }

    /// Takes in the blocks that hold keys and values of `tokens`, the last of them maybe in part; returns
    /// those for which there is no use, since others have the same tokens, or more.
    pub(super) fn insert(&mut self, tokens: &[u32], blocks: Vec<Arc<B>>) -> Vec<Arc<B>> {
        self.now += 1;
        let mut unused = Vec::new();
        let mut at = ROOT;
        let mut parts = tokens.chunks(BLOCK_POSITIONS);
        for block in blocks {
            let Some(part) = parts.next() else {
                unused.push(block);
                continue;
            };
            let closest = self.closest(at, part);
            // One that goes on where the other ends takes its place.
            let like = closest.and_then(|(id, common)| {
                let has = self.nodes.get(&id)?.tokens.len();
                (common == part.len() || common == has).then_some((id, has))
            });
            at = match like {
                Some((id, has)) => {
                    let now = self.now;
                    if let Some(node) = self.nodes.get_mut(&id) {
                        node.used = now;
                        let mut block = block;
                        if part.len() > has {
                            node.tokens = part.into();
                            std::mem::swap(&mut node.block, &mut block);
                        }
                        unused.push(block);
                    }
                    id
                }
                None => self.add(at, part, block),
            };
        }
        unused
    }

    /// Takes out the block that nobody else has and that was used longest ago.
    pub(super) fn take_oldest(&mut self) -> Option<B> {
        let idle = self.nodes.iter().filter(|(_, node)| node.is_idle());
        let leaves = idle.filter(|(_, node)| node.children.is_empty());
        let (&id, _) = leaves.min_by_key(|(id, node)| (node.used, **id))?;
        let node = self.nodes.remove(&id)?;
        self.below(node.parent).retain(|child| *child != id);
        Arc::into_inner(node.block)
    }

    /// Blocks that nobody else has. Whoever has a block has those before it, so all of them can be
    /// taken out, one after the other.
    pub(super) fn idle(&self) -> usize {
        self.nodes.values().filter(|node| node.is_idle()).count()
    }

    /// The node below `at` with the longest common beginning with `tokens`, if there is any.
    fn closest(&self, at: NodeId, tokens: &[u32]) -> Option<(NodeId, usize)> {
        let below = match at {
            ROOT => &self.first,
            _ => &self.nodes.get(&at)?.children,
        };
        let common = |id: &NodeId| {
            let known = self.nodes.get(id).map_or(&[][..], |node| &node.tokens);
            (*id, common(known, tokens))
        };
        let closest = below.iter().map(common).max_by_key(|(_, common)| *common);
        closest.filter(|(_, common)| *common > 0)
    }

    fn add(&mut self, parent: NodeId, tokens: &[u32], block: Arc<B>) -> NodeId {
        self.last_id += 1;
        let id = self.last_id;
        self.nodes.insert(
            id,
            Node {
                parent,
                children: Vec::new(),
                tokens: tokens.into(),
                block,
                used: self.now,
            },
        );
        self.below(parent).push(id);
        id
    }

    fn below(&mut self, parent: NodeId) -> &mut Vec<NodeId> {
        match self.nodes.get_mut(&parent) {
            Some(node) => &mut node.children,
            None => &mut self.first,
        }
    }
}

impl<B> Node<B> {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.block) == 1
    }
}

/// How many tokens two sequences begin with in common.
pub fn common(one: &[u32], other: &[u32]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: usize = BLOCK_POSITIONS;

    /// Blocks that say of which sequence and place they are.
    type Index = PrefixIndex<(char, usize)>;

    /// `count` tokens that differ from those of another `first`, ...
    fn tokens(first: u32, count: usize) -> Vec<u32> {
        (0..count).map(|at| first + at as u32).collect()
    }

    /// ... and so do they after `common` tokens.
    fn branch(first: u32, common: usize, count: usize) -> Vec<u32> {
        let mut branch = tokens(first, count);
        branch[common..].iter_mut().for_each(|token| *token += 9000);
        branch
    }

    fn blocks(name: char, tokens: &[u32]) -> Vec<Arc<(char, usize)>> {
        let count = tokens.len().div_ceil(B);
        (0..count).map(|at| Arc::new((name, at))).collect()
    }

    fn insert(index: &mut Index, name: char, tokens: &[u32]) -> usize {
        index.insert(tokens, blocks(name, tokens)).len()
    }

    /// The blocks that are known of `tokens`, and how many of the last one's tokens.
    fn found(index: &mut Index, tokens: &[u32]) -> (Vec<(char, usize)>, usize) {
        let known = index.find(tokens);
        let full = known.full.iter().map(|block| **block);
        let part = known.part.iter().map(|(block, _)| **block);
        let count = known.part.as_ref().map_or(0, |(_, count)| *count);
        (full.chain(part).collect(), count)
    }

    #[test]
    fn the_longest_beginning_is_found() {
        let mut index = Index::new();
        assert_eq!(found(&mut index, &tokens(0, 9)), (vec![], 0));
        insert(&mut index, 'a', &tokens(0, 2 * B + 40));
        insert(&mut index, 'b', &branch(0, B + 10, 2 * B));
        insert(&mut index, 'c', &tokens(7000, 5));
        type Found = (Vec<(char, usize)>, usize);
        let cases: [(Vec<u32>, Found); 8] = [
            (tokens(0, 40), (vec![('a', 0)], 40)),
            (tokens(0, B), (vec![('a', 0)], 0)),
            (
                tokens(0, 2 * B + 60),
                (vec![('a', 0), ('a', 1), ('a', 2)], 40),
            ),
            (
                tokens(0, 2 * B + 30),
                (vec![('a', 0), ('a', 1), ('a', 2)], 30),
            ),
            (branch(0, B + 10, 2 * B + 9), (vec![('a', 0), ('b', 1)], 0)),
            (branch(0, B + 30, 2 * B), (vec![('a', 0), ('a', 1)], 30)),
            (branch(0, 50, 2 * B), (vec![('a', 0)], 50)),
            (tokens(7000, B), (vec![('c', 0)], 5)),
        ];
        for (at, (asked, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(found(&mut index, &asked), wanted, "case {at}");
        }
    }

    #[test]
    fn what_is_known_already_is_given_back_and_what_is_longer_takes_its_place() {
        let mut index = Index::new();
        assert_eq!(insert(&mut index, 'a', &tokens(0, B + 20)), 0);
        assert_eq!(insert(&mut index, 'b', &tokens(0, B + 10)), 2);
        assert_eq!(insert(&mut index, 'c', &tokens(0, 2 * B + 1)), 2);
        let wanted = (vec![('a', 0), ('c', 1), ('c', 2)], 1);
        assert_eq!(found(&mut index, &tokens(0, 3 * B)), wanted);
        // A block without tokens is of no use.
        let spare = [blocks('d', &tokens(7000, B)), blocks('d', &[1])].concat();
        assert_eq!(index.insert(&tokens(7000, B), spare).len(), 1);
        assert_eq!(index.idle(), 4);
    }

    #[test]
    fn the_oldest_goes_first_but_never_what_others_have_or_hang_below() {
        let mut index = Index::new();
        insert(&mut index, 'a', &tokens(0, 2 * B));
        insert(&mut index, 'b', &tokens(3000, B + 3));
        insert(&mut index, 'c', &branch(0, B, 2 * B));
        let held = index.find(&tokens(0, 2 * B));
        assert_eq!(index.idle(), 3);
        let order = [Some(('b', 1)), Some(('b', 0)), Some(('c', 1)), None];
        for wanted in order {
            assert_eq!(index.take_oldest(), wanted);
        }
        drop(held);
        for wanted in [Some(('a', 1)), Some(('a', 0)), None] {
            assert_eq!(index.take_oldest(), wanted);
        }
        assert_eq!(found(&mut index, &tokens(0, B)), (vec![], 0));
    }
}
