//! What all parallel regions of a step have in common.

use sysinfer_engine::Plan;
use sysinfer_engine::kv::HeadShares;

use super::crew::Crew;

/// Key/value heads of a model on a host.
pub(super) struct Heads {
    /// Which of them the workers of the team share.
    pub(super) shares: HeadShares,
    /// The node of each in the blocks of each turn, where the decode team's worker that writes it first is.
    /// `None` where its workers move: then heads are everywhere.
    pub(super) homes: Option<Vec<Vec<usize>>>,
}

/// A team, its plan, and where what it reads lies.
pub(super) struct Setting<'a> {
    pub(super) crew: &'a Crew,
    pub(super) plan: &'a Plan,
    pub(super) rows: usize,
    /// Where keys and values lie, and which workers read them.
    pub(super) heads: &'a Heads,
    /// Share of the weights that lies on the worker's own node.
    pub(super) local: f64,
}

impl<'a> Setting<'a> {
    /// That of a decode step of one sequence, whose weights were placed by the workers that read them.
    pub(super) fn of_decode(crew: &'a Crew, plan: &'a Plan, heads: &'a Heads) -> Self {
        Setting {
            crew,
            plan,
            rows: 1,
            heads,
            local: 1.0,
        }
    }
}
