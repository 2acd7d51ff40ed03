//! The real engine behind the [`Probe`] trait.
//!
//! Only `Engine::step` is timed: choosing the next token is the server's business, and so it is in
//! the numbers of other engines that these are compared with.
//!
//! Decode runs may extend several sequences in each step, and a batch does; prompts are always of one.

mod batch;
mod sequences;
mod steps;
mod visits;
mod watched;

use std::time::Instant;

use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::residency::Located;
use sysinfer_engine::{Engine, EngineInfo, Entry, PhasePlan, Plan, Sequence, Wanted};
use sysinfer_machine::Topology;
use sysinfer_probe::{
    CoreReading, Interrupt, Phase, Point, Probe, ProbeError, Reading, Steps, WARM_STEPS, Work,
};

pub use self::steps::{argmax, prompt};

use self::sequences::Batch;
use self::steps::{entries, failed, refused, step};
use self::watched::watched;
use super::bandwidth::{NodeReader, TeamReader};
use super::cores::TeamCores;
use super::quiet::Watch;
use crate::host::available_bytes;

/// Prompt that, with [`WARM_STEPS`], a plan runs before its first timed step.
const WARM_PROMPT_TOKENS: usize = 16;
/// Decode steps whose time is split.
const SPLIT_STEPS: usize = 9;

/// An engine, the sequences that it extends, and what reads the host with teams of the same CPUs.
pub struct EngineProbe<'a> {
    engine: Engine,
    topology: &'a Topology,
    interrupt: &'a Interrupt,
    plan: Plan,
    /// What held of every pair of teams that ran: decode, prefill, and the engine's words.
    held: Vec<(PhasePlan, PhasePlan, String)>,
    /// Positions that sequences are made for.
    capacity: usize,
    sequence: Option<Sequence>,
    /// How much of the sequence is the fixed prompt.
    prompt_len: usize,
    /// Tokens that the last visit left in the sequence: the prompt, some of which was decoded again.
    visited: usize,
    /// What decode steps extend beside it, filled anew for every run.
    others: Vec<Sequence>,
    /// What a batch extends.
    batch: Batch,
    /// Sequences that timed decode steps extend, at least 1.
    width: usize,
    /// Whether the present plan has run.
    warm: bool,
    /// Whether the decode team ran last: after anything else its first steps are slow.
    decoding: bool,
    team_reader: Option<TeamReader>,
    /// Of the plan that is measured: one for each of its teams, where they differ.
    cores: Vec<TeamCores>,
    /// The buffers of the bandwidth map, for as long as rows of it are read.
    node_reader: Option<NodeReader>,
    watch: Watch,
}

impl<'a> EngineProbe<'a> {
    /// Takes an engine whose runs will be at most `longest_tokens` long.
    pub fn new(
        engine: Engine,
        topology: &'a Topology,
        interrupt: &'a Interrupt,
        longest_tokens: usize,
    ) -> Self {
        let context = engine.info().context_length;
        let capacity = longest_tokens
            .max(WARM_PROMPT_TOKENS + WARM_STEPS)
            .min(context);
        let plan = engine.plan().clone();
        let mut probe = Self {
            engine,
            topology,
            interrupt,
            plan,
            held: Vec::new(),
            capacity,
            sequence: None,
            prompt_len: 0,
            visited: 0,
            others: Vec::new(),
            batch: Batch::default(),
            width: 1,
            warm: false,
            decoding: false,
            team_reader: None,
            cores: Vec::new(),
            node_reader: None,
            watch: Watch::default(),
        };
        probe.keep_pins();
        probe
    }

    /// Lets timed decode steps extend `sequences` sequences at once, of which each starts from the
    /// same prompt. Rates are then those of all together.
    #[must_use]
    pub fn with_sequences(mut self, sequences: usize) -> Self {
        self.width = sequences.max(1);
        self
    }

    /// Shape and sizes of the model.
    pub fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// What really held of the teams of a plan that ran here: threads and pins. `None` if it did not.
    pub fn pins(&self, plan: &Plan) -> Option<&str> {
        let held = self.held.iter();
        let mut of_plan =
            held.filter(|(decode, prefill, _)| (decode, prefill) == (&plan.decode, &plan.prefill));
        of_plan.next().map(|(_, _, pins)| &pins[..])
    }

    /// Where weights and cache are now.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn residency(&self) -> std::io::Result<Vec<Located>> {
        self.engine.residency()
    }

    fn keep_pins(&mut self) {
        if self.pins(&self.plan).is_none() {
            let (decode, prefill) = (self.plan.decode.clone(), self.plan.prefill.clone());
            self.held.push((decode, prefill, self.engine.pins()));
        }
    }

    fn adopt(&mut self, plan: &Plan) -> Result<(), ProbeError> {
        if *plan == self.plan {
            return Ok(());
        }
        // A cache of another team lies on other nodes; block sizes leave it where it is.
        let moved = plan.decode != self.plan.decode
            || plan.prefill != self.plan.prefill
            || plan.memory != self.plan.memory;
        self.engine.replan(plan.clone()).map_err(refused)?;
        self.plan = plan.clone();
        self.keep_pins();
        self.warm = false;
        if moved {
            self.sequence = None;
            (self.prompt_len, self.visited) = (0, 0);
            self.others.clear();
            self.batch = Batch::default();
        }
        Ok(())
    }

    /// A sequence that holds exactly the first `tokens` of the fixed prompt.
    fn load_prompt(&mut self, tokens: usize) -> Result<Point, ProbeError> {
        let mut sequence = match self.sequence.take() {
            Some(sequence) => sequence,
            None => self.engine.sequence(self.capacity).map_err(failed)?,
        };
        sequence.clear();
        let prompt = prompt(tokens, self.engine.info().vocabulary_size);
        let started = Instant::now();
        step(&mut self.engine, &mut sequence, &prompt)?;
        let seconds = started.elapsed().as_secs_f64();
        self.sequence = Some(sequence);
        (self.prompt_len, self.visited) = (tokens, 0);
        let info = self.engine.info();
        let chunks = tokens.div_ceil(self.chunk());
        let bytes = chunks as f64 * info.decode_bytes as f64;
        Ok(Point {
            total_tokens: tokens,
            tokens,
            seconds,
            bytes,
        })
    }

    /// Tokens of a prompt that the engine runs in one pass.
    fn chunk(&self) -> usize {
        pass_rows(&self.plan)
    }

    /// Like [`Self::load_prompt`], but keeps what is there of the prompt, and is not timed.
    fn reuse_prompt(&mut self, tokens: usize) -> Result<(), ProbeError> {
        let Some(sequence) = &mut self.sequence else {
            return self.load_prompt(tokens).map(|_| ());
        };
        let kept = self.prompt_len.min(tokens);
        sequence.truncate(kept);
        self.prompt_len = kept;
        if kept < tokens {
            let prompt = prompt(tokens, self.engine.info().vocabulary_size);
            step(&mut self.engine, sequence, &prompt[kept..])?;
            self.prompt_len = tokens;
        }
        Ok(())
    }

    /// Gives every other sequence of a wide decode run the first `tokens` of the fixed prompt.
    fn load_others(&mut self, tokens: usize) -> Result<(), ProbeError> {
        let prompt = prompt(tokens, self.engine.info().vocabulary_size);
        while self.others.len() + 1 < self.width {
            let sequence = self.engine.sequence(self.capacity).map_err(failed)?;
            self.others.push(sequence);
        }
        for sequence in &mut self.others {
            sequence.clear();
            step(&mut self.engine, sequence, &prompt)?;
        }
        Ok(())
    }

    /// Steps that are not timed: a few after anything but decoding, and a prompt under a plan that
    /// has not run yet.
    fn warm_up(&mut self, work: &Work) -> Result<(), ProbeError> {
        let decode = matches!(work, Work::Decode { .. });
        if self.warm && (self.decoding || !decode) {
            return Ok(());
        }
        let room = self.capacity.saturating_sub(WARM_STEPS);
        if !self.warm || self.sequence.is_none() {
            self.load_prompt(WARM_PROMPT_TOKENS.min(room))?;
        }
        self.reuse_prompt(self.prompt_len.min(room))?;
        self.grow(&[self.prompt_len + WARM_STEPS], false)?;
        self.warm = true;
        Ok(())
    }

    /// Extends the sequence one token at a time, and with it the others if this is a wide run; stops
    /// early on Ctrl-C with what was reached.
    fn grow(&mut self, lengths: &[usize], others: bool) -> Result<Vec<Point>, ProbeError> {
        let (decode_bytes, kv_bytes) = {
            let info = self.engine.info();
            (info.decode_bytes as f64, info.kv_bytes_per_position as f64)
        };
        let Some(sequence) = &mut self.sequence else {
            return Err(ProbeError::Failed("decoding needs a prompt".into()));
        };
        let start = sequence.len();
        let vocabulary = self.engine.info().vocabulary_size;
        let mut all = vec![sequence];
        if others {
            all.extend(&mut self.others);
        }
        let width = all.len();
        let mut tokens = vec![prompt(start + 1, vocabulary)[start]; width];
        let (mut seconds, mut bytes, mut points) = (0.0, 0.0, Vec::new());
        'lengths: for &length in lengths {
            while all[0].len() < length {
                if self.interrupt.is_set() && self.warm {
                    break 'lengths;
                }
                let mut batch: Vec<Entry<'_>> = entries(&mut all, &tokens);
                let started = Instant::now();
                let logits = self.engine.step(&mut batch);
                seconds += started.elapsed().as_secs_f64();
                let logits = logits.map_err(failed)?;
                for (row, token) in tokens.iter_mut().enumerate() {
                    *token = argmax(logits.row(row).map_err(failed)?);
                }
                bytes += decode_bytes + kv_bytes * (width * all[0].len()) as f64;
            }
            points.push(Point {
                total_tokens: length,
                tokens: (length - start) * width,
                seconds,
                bytes,
            });
        }
        Ok(points)
    }

    /// Times the parts of a prompt and of decode steps behind it that end at `total_tokens`.
    fn profile(&mut self, total_tokens: usize) -> Result<Steps, ProbeError> {
        let start = Instant::now();
        let clock = || start.elapsed();
        let mut sequence = match self.sequence.take() {
            Some(sequence) => sequence,
            None => self.engine.sequence(self.capacity).map_err(failed)?,
        };
        sequence.clear();
        let steps = SPLIT_STEPS.min(total_tokens.saturating_sub(WARM_STEPS + 1));
        let prompt_tokens = total_tokens.saturating_sub(WARM_STEPS + steps).max(1);
        let tokens = prompt(
            prompt_tokens + WARM_STEPS + steps,
            self.info().vocabulary_size,
        );
        let (prefill, rest) = tokens.split_at(prompt_tokens);
        let mut split = Steps {
            prompt_tokens,
            ..Steps::default()
        };
        let pieces = std::iter::once(prefill).chain(rest.chunks(1));
        for (place, tokens) in pieces.enumerate() {
            let mut batch = [Entry {
                sequence: &mut sequence,
                tokens,
                wanted: Wanted::Last,
            }];
            let (logits, times) = self
                .engine
                .profile_step(&clock, &mut batch)
                .map_err(failed)?;
            logits.require_finite().map_err(failed)?;
            if place > WARM_STEPS {
                split.decode.push(times);
            } else if place == 0 && tokens.len() > self.plan.blocking.decode_rows {
                split.prefill.push(times);
            }
        }
        self.sequence = Some(sequence);
        (self.prompt_len, self.visited) = (prompt_tokens, 0);
        self.decoding = true;
        Ok(split)
    }

    /// Streams with a team of its own: the engine need not move to the plan for that.
    fn read_by_team(&mut self, phase: &PhasePlan) -> Result<Vec<Point>, ProbeError> {
        // The buffer of another team goes before there is a new one: both may not fit.
        let kept = self
            .team_reader
            .take()
            .filter(|reader| reader.is_for(phase));
        let mut reader = match kept {
            Some(reader) => reader,
            None => TeamReader::new(phase, self.topology, available_bytes().unwrap_or(0))
                .map_err(ProbeError::Refused)?,
        };
        let points = reader.read();
        self.team_reader = Some(reader);
        Ok(points)
    }

    fn read_nodes(
        &mut self,
        cpus: &[usize],
        memory_node: Option<usize>,
    ) -> Result<Vec<Point>, ProbeError> {
        let reader = self.node_reader();
        reader.read(cpus, memory_node).map_err(ProbeError::Refused)
    }

    fn node_reader(&mut self) -> &mut NodeReader {
        let topology = self.topology;
        let make = || NodeReader::new(topology, available_bytes().unwrap_or(0));
        self.node_reader.get_or_insert_with(make)
    }

    /// Brings engine, buffers and sequences to where the work starts.
    fn prepare(&mut self, plan: &Plan, work: &Work) -> Result<(), ProbeError> {
        match work {
            Work::Stream { cpus, memory_node } => {
                let filled = self.node_reader().fill(cpus, *memory_node);
                return filled.map_err(ProbeError::Refused);
            }
            // The engine's caches and the prompt need the memory.
            _ => self.node_reader = None,
        }
        if *work != Work::Bandwidth {
            self.adopt(plan)?;
            self.warm_up(work)?;
        }
        if let Work::Decode { prompt_tokens, .. } = work {
            self.visited = 0;
            self.reuse_prompt(*prompt_tokens)?;
            self.load_others(*prompt_tokens)?;
        }
        if let Work::Batch {
            prompt_tokens,
            sequences,
            steps,
            ..
        } = work
        {
            let most = sequences.iter().copied().max().unwrap_or(0);
            self.fill_batch(most, *prompt_tokens, *steps)?;
        }
        Ok(())
    }
}

impl Probe for EngineProbe<'_> {
    fn measure(&mut self, plan: &Plan, work: &Work) -> Result<Reading, ProbeError> {
        self.prepare(plan, work)?;
        self.decoding = matches!(work, Work::Decode { .. } | Work::Visit { .. });
        self.watch.start(&watched(plan, work, self.width));
        let points = match work {
            Work::Decode { lengths, .. } => self.grow(lengths, true)?,
            Work::Prefill { tokens } => vec![self.load_prompt(*tokens)?],
            Work::Visit {
                from_tokens,
                total_tokens,
                groups,
                group_steps,
            } => self.visit(*from_tokens, *total_tokens, *groups, *group_steps)?,
            Work::Batch {
                sequences,
                prompt_rows,
                steps,
                ..
            } => self.run_batch(sequences, *prompt_rows, *steps)?,
            Work::Bandwidth => self.read_by_team(&plan.decode)?,
            Work::Stream { cpus, memory_node } => self.read_nodes(cpus, *memory_node)?,
        };
        Ok(Reading {
            points,
            disturbed: self.watch.disturbance(),
        })
    }

    fn cores(&mut self, plan: &Plan, phase: Phase) -> Result<CoreReading, ProbeError> {
        // Another team has the CPUs meanwhile.
        self.decoding = false;
        let team = plan.team(phase);
        let teams = &mut self.cores;
        teams.retain(|own| own.is_for(&plan.decode) || own.is_for(&plan.prefill));
        if !teams.iter().any(|own| own.is_for(team)) {
            // A host that refuses these threads has refused the engine's before.
            teams.extend(TeamCores::new(team, self.topology));
        }
        let own = teams.iter_mut().find(|own| own.is_for(team));
        Ok(own.map_or_else(CoreReading::default, TeamCores::read))
    }

    fn split(&mut self, plan: &Plan, total_tokens: usize) -> Result<Steps, ProbeError> {
        self.adopt(plan)?;
        self.warm_up(&Work::Prefill {
            tokens: total_tokens,
        })?;
        self.profile(total_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_those_of_the_plan_that_is_asked_for() {
        let topology = Topology::flat(&sysinfer_machine::allowed_cpus());
        let cpu = topology.cpus[0].id;
        let pinned = Plan::with_threads(PhasePlan {
            threads: 1,
            map: "compact".into(),
            cpus: vec![cpu],
        });
        let engine = Engine::synthetic(
            sysinfer_engine::Preset::Tiny,
            pinned,
            sysinfer_engine::Precision::default(),
            &topology,
            &mut |_| {},
        )
        .expect("an engine");
        let pinned = engine.plan().clone();
        let mut loose = pinned.clone();
        loose.decode = PhasePlan::unpinned(1);
        loose.prefill = loose.decode.clone();
        let interrupt = Interrupt::default();
        let mut probe = EngineProbe::new(engine, &topology, &interrupt, 64);
        assert_eq!(probe.pins(&loose), None, "it has not run");
        let first = probe.pins(&pinned).map(str::to_owned);
        for plan in [&loose, &pinned, &loose] {
            let read = probe.measure(plan, &Work::Prefill { tokens: 8 });
            assert!(read.is_ok(), "{read:?}");
        }
        assert_eq!(probe.pins(&pinned).map(str::to_owned), first);
        assert_ne!(probe.pins(&loose).map(str::to_owned), first);
    }
}
