//! The public face: a loaded model, its team of threads, and the step.

mod cache;
mod loading;
#[cfg(test)]
mod locality;
mod memory;

use std::sync::Arc;

use sysinfer_kernels::Phase;
use sysinfer_kernels::elementwise::all_finite;
use sysinfer_kernels::matmul::Loops;
use sysinfer_machine::{Clock, FileMap, Stopwatch, Topology};

use crate::batch::{Entry, Logits, Wanted};
use crate::choice::{chosen, kernels};
use crate::error::EngineError;
use crate::info::EngineInfo;
use crate::kv::heads::HeadShares;
use crate::kv::homes::Homes;
use crate::kv::pool::KvPool;
use crate::kv::shape::KvShape;
use crate::model::attention::Addition;
use crate::model::forward::{Buffers, Mode, Model};
use crate::model::matrix::Matrix;
use crate::model::step::Scratch;

use crate::plan::Plan;
use crate::precision::Precision;
use crate::teams::{Teams, arenas, node_bounds, pages};
use crate::times::StepTimes;
use crate::tokenizer::Tokenizer;

/// Most rows that an engine with this plan runs in one pass: its `prefill_chunk`, but no fewer than a
/// decode step may have.
pub fn pass_rows(plan: &Plan) -> usize {
    let blocking = &plan.blocking;
    blocking.prefill_chunk.max(blocking.decode_rows)
}

/// Who runs a pass of so many rows: kernels and team.
pub fn phase(plan: &Plan, rows: usize) -> Phase {
    match rows <= plan.blocking.decode_rows {
        true => Phase::Decode,
        false => Phase::Prefill,
    }
}

/// A loaded model that runs steps.
///
/// ```
/// use sysinfer_engine::{Engine, Entry, PhasePlan, Plan, Precision, Preset, Wanted};
/// use sysinfer_machine::Topology;
///
/// # fn main() -> Result<(), sysinfer_engine::EngineError> {
/// // Two threads that the system places; a profile, or `Plan::untuned`, pins them.
/// let plan = Plan::with_threads(PhasePlan::unpinned(2));
/// let topology = Topology::flat(&[0]);
/// // Random weights, which need no file; `Engine::load` takes those of a `ModelFile`.
/// let mut engine = Engine::synthetic(
///     Preset::Tiny,
///     plan,
///     Precision::default(),
///     &topology,
///     &mut |_| {},
/// )?;
/// let mut sequence = engine.sequence(16)?;
/// let prompt = Entry {
///     sequence: &mut sequence,
///     tokens: &[1, 17, 300],
///     wanted: Wanted::Last,
/// };
/// let logits = engine.step(&mut [prompt])?;
/// assert_eq!(logits.row(0)?.len(), 512);
/// # Ok(())
/// # }
/// ```
pub struct Engine {
    model: Model,
    info: EngineInfo,
    tokenizer: Option<Arc<Tokenizer>>,
    chat_template: Option<String>,
    plan: Plan,
    precision: Precision,
    topology: Topology,
    teams: Teams,
    scratch: Vec<Scratch>,
    buffers: Buffers,
    /// Memory of the sequences.
    cache: KvPool,
    /// Where its heads are.
    homes: Homes,
    /// Which workers have which of them.
    heads: Heads,
    /// Logits of the last step.
    collected: Vec<f32>,
    /// Rows of these that have values which are not finite.
    spoilt: Vec<bool>,
    /// The files that weights are read from, unless they are packed.
    files: Vec<Arc<FileMap>>,
}

/// What times a step's passes, and what they add up to.
type Timing<'t> = (&'t Stopwatch<'t>, &'t mut StepTimes);

impl Engine {
    /// What was loaded.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// The plan as it runs: every kernel named.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What may be rounded.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The file's tokenizer, if it has one.
    pub fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.tokenizer.as_ref()
    }

    /// What whoever runs the model should know of its file: guesses that were made, and limits that it sets.
    pub fn notes(&self) -> Vec<String> {
        let window = self.model.config.sliding_window.map(|window| {
            format!(
                "model: tokens see the {window} before them (attention.sliding_window), so sequences are \
                 limited to {} tokens, within which that changes nothing",
                self.model.config.context_length
            )
        });
        let tokenizer = self
            .tokenizer
            .iter()
            .flat_map(|tokenizer| tokenizer.notes());
        let tokenizer = tokenizer.map(|note| format!("tokenizer: {note}"));
        window.into_iter().chain(tokenizer).collect()
    }

    /// The file's chat template (Jinja), if it has one.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// Moves to another plan without loading again. Weights move only if the nodes that read them
    /// do, and stay packed or mapped as they were loaded, whatever the plan says about that. Sequences
    /// cannot go on once the nodes or pages of the cache are others, see [`Engine::step`].
    ///
    /// # Errors
    /// A plan that this host or model cannot follow: the engine then stays with the plan it has.
    /// No memory while weights move: some have moved then, and the old plan stays.
    pub fn replan(&mut self, mut plan: Plan) -> Result<(), EngineError> {
        plan.validate()?;
        plan.memory.weights = self.plan.memory.weights;
        for matrix in self.model.weights.matrices() {
            kernels(&plan, matrix.block)?;
        }
        let mut teams = Teams::new(&plan, &self.topology)?;
        let (decode_nodes, prefill_nodes) = teams.nodes(&self.topology);
        if node_bounds(&decode_nodes) != node_bounds(&self.teams.nodes(&self.topology).0) {
            let bytes = self
                .model
                .weights
                .matrices()
                .map(Matrix::len_bytes)
                .sum::<usize>();
            let arenas = &mut arenas(&plan, &decode_nodes, bytes as u64);
            let matrices = self.model.weights.matrices_mut();
            teams.decode.enter(|lead| {
                matrices
                    .into_iter()
                    .try_for_each(|matrix| matrix.rehome(lead, arenas))
            })?;
        }
        for matrix in self.model.weights.matrices_mut() {
            matrix.kernels = kernels(&plan, matrix.block)?;
        }
        self.model.weights.share(&decode_nodes, &prefill_nodes);
        plan.kernels = chosen(&self.model);
        self.scratch = scratch(teams.most_threads());
        let chunk = plan.blocking.attention_chunk;
        self.homes = Homes::of(self.model.config.kv_heads, chunk, &decode_nodes);
        let shape = self.model.config.cache_shape(self.precision.cache);
        let cache = pool(shape, &self.homes, &plan);
        if !self.cache.is_like(&cache) {
            cache.set_limit(self.cache.usage().limit);
            self.cache = cache;
        }
        let shape = self.cache.shape();
        self.heads = Heads::new(shape, &self.homes, &decode_nodes, &prefill_nodes);
        self.teams = teams;
        self.plan = plan;
        Ok(())
    }

    /// Runs new tokens of one or more sequences through the model.
    ///
    /// Entries are cut into passes of at most [`pass_rows`] tokens by the engine itself. Values that are not
    /// finite are an error of the rows of [`Logits`] that have them, or of
    /// [`mean_state`](crate::Sequence::mean_state): other sequences go on. A sequence that gave such a row may
    /// hold keys and values of that kind, so nothing should be built on it.
    ///
    /// # Errors
    /// A token that is not in the vocabulary, or more tokens than a sequence can hold: nothing was
    /// run then. No memory for the cache. A file that weights are read from and that became shorter.
    ///
    /// # Panics
    /// If a sequence was made by an engine with another model's shape or another type of cache, or before
    /// a new plan put the heads of the cache elsewhere.
    pub fn step(&mut self, batch: &mut [Entry<'_>]) -> Result<Logits<'_>, EngineError> {
        self.check(batch)?;
        self.passes(batch, None);
        Ok(self.logits())
    }

    /// As [`Engine::step`], and says where its time went by `clock`. Slower by a few looks at the
    /// clock per region and worker.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn profile_step(
        &mut self,
        clock: Clock<'_>,
        batch: &mut [Entry<'_>],
    ) -> Result<(Logits<'_>, StepTimes), EngineError> {
        let began = clock();
        self.check(batch)?;
        let stopwatch = Stopwatch::new(clock, self.teams.most_threads());
        let mut times = StepTimes::default();
        self.passes(batch, Some((&stopwatch, &mut times)));
        times.end(clock().saturating_sub(began));
        Ok((self.logits(), times))
    }

    /// Cuts a step into passes and runs them; logits are in `collected`.
    fn passes(&mut self, batch: &mut [Entry<'_>], mut timing: Option<Timing<'_>>) {
        self.spoilt.clear();
        let most_rows = pass_rows(&self.plan);
        let mut starts = vec![0; batch.len()];
        loop {
            let (mut additions, mut wanted) = (Vec::new(), Vec::new());
            let mut rows = 0;
            for (entry, start) in batch.iter_mut().zip(&mut starts) {
                let count = (entry.tokens.len() - *start).min(most_rows - rows);
                if count == 0 {
                    continue;
                }
                let tokens = &entry.tokens[*start..*start + count];
                *start += count;
                match entry.wanted {
                    Wanted::All => wanted.extend(rows..rows + count),
                    Wanted::Last if *start == entry.tokens.len() => wanted.push(rows + count - 1),
                    _ => {}
                }
                let sums_states = entry.wanted == Wanted::Mean && entry.sequence.has_all_states();
                additions.push(Addition {
                    sequence: &mut *entry.sequence,
                    first_row: rows,
                    tokens,
                    sums_states,
                });
                rows += count;
            }
            if rows == 0 {
                break;
            }
            let stopwatch = timing.as_ref().map(|timing| timing.0);
            let team = self.run(&mut additions, rows, &wanted, stopwatch);
            if let Some((stopwatch, times)) = &mut timing {
                times.add(&stopwatch.take(team));
            }
        }
    }

    /// Logits of the last step.
    fn logits(&self) -> Logits<'_> {
        let width = self.model.logits_width();
        Logits {
            // A step of nothing leaves those of the one before.
            values: &self.collected[..self.spoilt.len() * width],
            width,
            vocabulary_size: self.model.config.vocabulary_size,
            spoilt: &self.spoilt,
        }
    }

    /// One pass of at most [`pass_rows`] rows; returns the size of the team that ran it.
    fn run(
        &mut self,
        additions: &mut [Addition<'_>],
        rows: usize,
        wanted: &[usize],
        stopwatch: Option<&Stopwatch<'_>>,
    ) -> usize {
        let phase = phase(&self.plan, rows);
        let blocking = &self.plan.blocking;
        let loops = Loops {
            prefetch_bytes: blocking.prefetch_bytes,
            cached_rows: blocking.prefill_rows,
        };
        let mode = Mode {
            phase,
            loops,
            attention_chunk: blocking.attention_chunk,
            cache: self.cache.shape(),
            heads: self.heads.of(phase),
        };
        let (model, scratch, buffers) = (&self.model, &mut self.scratch, &mut self.buffers);
        let team = self.teams.of(phase);
        let logits = team.enter_timed(stopwatch, |lead| {
            model.forward(lead, mode, additions, wanted, scratch, buffers)
        });
        let is_first = self.spoilt.is_empty();
        if !is_first {
            self.collected.extend_from_slice(logits);
        }
        // Padding is left out: nobody sees it.
        let vocabulary_size = model.config.vocabulary_size;
        let rows = logits.chunks_exact(model.logits_width());
        let spoilt = rows.map(|row| !all_finite(&row[..vocabulary_size]));
        self.spoilt.extend(spoilt);
        let threads = team.threads();
        if is_first {
            self.buffers.swap_logits(&mut self.collected);
        }
        for addition in additions {
            addition.sequence.extend(addition.tokens);
        }
        threads
    }

    /// Checks a whole batch, and the file where weights are read from it, and makes room for the batch,
    /// before anything runs.
    fn check(&self, batch: &mut [Entry<'_>]) -> Result<(), EngineError> {
        self.files
            .iter()
            .try_for_each(|file| file.require_whole())?;
        let vocabulary_size = self.model.config.vocabulary_size;
        for entry in &mut *batch {
            assert_eq!(
                entry.sequence.shape(),
                self.cache.shape(),
                "a sequence of another model"
            );
            if let Some(&token) = entry
                .tokens
                .iter()
                .find(|t| **t as usize >= vocabulary_size)
            {
                return Err(EngineError::Token {
                    token,
                    vocabulary_size,
                });
            }
        }
        batch
            .iter_mut()
            .try_for_each(|entry| entry.sequence.reserve(entry.tokens.len()))
    }

    /// Why workers of a team are not where the plan wants them; `None`: all are.
    pub fn refused_pins(&self) -> Option<String> {
        self.teams.refused_pins()
    }

    /// What became of pinning, and on which nodes the KV cache is where there are several, in one line.
    pub fn pins(&self) -> String {
        let pins = self.teams.pins(&self.plan);
        match self.homes {
            Homes::One => pins,
            _ => format!("{pins}; KV cache: {}", self.homes),
        }
    }
}

/// Heads of the cache by the workers of each team.
struct Heads {
    decode: HeadShares,
    prefill: HeadShares,
}

impl Heads {
    fn new(shape: KvShape, homes: &Homes, decode: &[usize], prefill: &[usize]) -> Self {
        Self {
            decode: HeadShares::new(shape, homes, decode),
            prefill: HeadShares::new(shape, homes, prefill),
        }
    }

    fn of(&self, phase: Phase) -> &HeadShares {
        match phase {
            Phase::Decode => &self.decode,
            Phase::Prefill => &self.prefill,
        }
    }
}

/// An empty cache that is where it is read.
fn pool(shape: KvShape, homes: &Homes, plan: &Plan) -> KvPool {
    let pages = pages(plan);
    let nodes = homes.nodes().filter(|_| plan.memory.bind_nodes);
    KvPool::new(
        shape.in_parts(homes.parts(), pages),
        pages,
        homes.turns(),
        nodes.map(Arc::from),
    )
}

fn scratch(workers: usize) -> Vec<Scratch> {
    (0..workers).map(|_| Scratch::default()).collect()
}
