//! How long a plan takes on a simulated host, without noise.
//!
//! A step is a row of parallel regions that end at barriers. A region takes as long as the slowest of three:
//! the node whose memory has most to give, the worker that reads most for what its core can take,
//! and the worker that multiplies most. They overlap, but not perfectly: near the point where two
//! are equal both cost, which `overlapped` makes a smooth knee of.

use sysinfer_engine::engine::{pass_rows, phase};
use sysinfer_engine::{Phase, Plan};
use sysinfer_probe::Work;

use super::crew::Crew;
use super::machine::Machine;
use super::setting::Setting;

/// Positions between two evaluations of a growing context; the time between is linear.
const STRIDE: usize = 32;

impl Machine {
    /// Time of the decode steps that grow a sequence from `from` to `to` tokens, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn decode_seconds(&self, plan: &Plan, from: usize, to: usize) -> Result<f64, String> {
        self.check(plan)?;
        let crew = self.crew(&plan.decode)?;
        let heads = self.heads(plan, &crew, &crew);
        let setting = Setting::of_decode(&crew, plan, &heads);
        let base = self.step_seconds(&setting, 1);
        let mut seconds = (to - from.min(to)) as f64 * base;
        let mut position = from;
        while position < to {
            let next = (position + STRIDE).min(to);
            let middle = (position + next) / 2 + 1;
            seconds += (next - position) as f64 * self.attention_seconds(&setting, middle);
            position = next;
        }
        Ok(seconds * crew.slowdown)
    }

    /// Time of a prompt up to its last logits, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn prefill_seconds(&self, plan: &Plan, tokens: usize) -> Result<f64, String> {
        self.check(plan)?;
        let decode = self.crew(&plan.decode)?;
        let crew = self.crew(&plan.prefill)?;
        let local = self.overlap_of_nodes(&decode, &crew);
        let heads = self.heads(plan, &decode, &crew);
        let (mut seconds, mut done) = (0.0, 0);
        while done < tokens {
            let rows = pass_rows(plan).min(tokens - done);
            let setting = Setting {
                crew: &crew,
                plan,
                rows,
                heads: &heads,
                local,
            };
            let wanted = usize::from(done + rows == tokens);
            seconds += self.step_seconds(&setting, wanted);
            seconds += self.prompt_attention_seconds(&setting, done);
            done += rows;
        }
        Ok(seconds * crew.slowdown)
    }

    /// Time of one step of so many sequences that hold `positions` tokens each, and of the first rows of a
    /// prompt beside them, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn batch_seconds(
        &self,
        plan: &Plan,
        sequences: usize,
        positions: usize,
        prompt_rows: usize,
    ) -> Result<f64, String> {
        self.check(plan)?;
        let decode = self.crew(&plan.decode)?;
        let (mut seconds, mut done) = (0.0, 0);
        while done < sequences + prompt_rows {
            let rows = pass_rows(plan).min(sequences + prompt_rows - done);
            // Sequences come first, and only they want logits.
            let wanted = rows.min(sequences.saturating_sub(done));
            let (team, local) = match phase(plan, rows) {
                Phase::Decode => (&plan.decode, 1.0),
                Phase::Prefill => {
                    let crew = self.crew(&plan.prefill)?;
                    (&plan.prefill, self.overlap_of_nodes(&decode, &crew))
                }
            };
            let crew = self.crew(team)?;
            let heads = self.heads(plan, &decode, &crew);
            let setting = Setting {
                crew: &crew,
                plan,
                rows,
                heads: &heads,
                local,
            };
            let mut pass = self.step_seconds(&setting, wanted);
            pass += wanted as f64 * self.attention_seconds(&setting, positions);
            let of_prompt = Setting {
                rows: rows - wanted,
                ..setting
            };
            pass += self.prompt_attention_seconds(&of_prompt, done.saturating_sub(sequences));
            seconds += pass * crew.slowdown;
            done += rows;
        }
        Ok(seconds)
    }

    /// The rate that noise is added to, tokens/s (bytes/s for bandwidth).
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn true_rate(&self, plan: &Plan, work: &Work) -> Result<f64, String> {
        Ok(match work {
            Work::Decode {
                prompt_tokens,
                lengths,
            } => {
                let end = lengths.last().copied().unwrap_or(*prompt_tokens);
                let seconds = self.decode_seconds(plan, *prompt_tokens, end)?;
                (end - prompt_tokens.min(&end)) as f64 / seconds.max(1e-12)
            }
            Work::Prefill { tokens } => {
                *tokens as f64 / self.prefill_seconds(plan, *tokens)?.max(1e-12)
            }
            Work::Visit {
                total_tokens,
                groups,
                group_steps,
                ..
            } => {
                let steps = groups * group_steps;
                let start = total_tokens.saturating_sub(steps);
                steps as f64 / self.decode_seconds(plan, start, *total_tokens)?.max(1e-12)
            }
            Work::Batch {
                prompt_tokens,
                sequences,
                prompt_rows,
                steps,
            } => {
                let positions = prompt_tokens + steps / 2;
                let step =
                    |number: &usize| self.batch_seconds(plan, *number, positions, *prompt_rows);
                let seconds: Vec<f64> = sequences.iter().map(step).collect::<Result<_, _>>()?;
                let tokens: usize = sequences.iter().sum();
                tokens as f64 / seconds.iter().sum::<f64>().max(1e-12)
            }
            Work::Bandwidth => self.read_bytes_per_second(&plan.decode)?,
            Work::Stream { cpus, memory_node } => {
                self.stream_bytes_per_second(cpus, *memory_node)?
            }
        })
    }

    /// Weights lie where decode workers touched them first. The engine cuts both teams' shares at the
    /// same node bounds, so what both have of a node is local to the prompt's workers.
    fn overlap_of_nodes(&self, decode: &Crew, prefill: &Crew) -> f64 {
        let (ours, theirs) = (
            prefill.node_shares(self.layout.nodes),
            decode.node_shares(self.layout.nodes),
        );
        ours.iter().zip(theirs).map(|(a, b)| a.min(b)).sum()
    }

    /// Everything of a step but attention.
    pub(super) fn step_seconds(&self, setting: &Setting<'_>, wanted: usize) -> f64 {
        let phase = phase(setting.plan, setting.rows);
        let mut seconds = self.overhead_seconds(setting, phase, wanted);
        for product in &self.shape.layers {
            seconds +=
                product.count as f64 * self.product_seconds(setting, product, phase, setting.rows);
        }
        if wanted > 0 {
            seconds += self.product_seconds(setting, &self.shape.output, Phase::Decode, wanted);
        }
        seconds + self.spill_seconds(setting)
    }

    /// Barriers of a step, and what it costs whatever it does.
    pub(super) fn overhead_seconds(
        &self,
        setting: &Setting<'_>,
        phase: Phase,
        wanted: usize,
    ) -> f64 {
        let layers = &self.shape.layers;
        let runs: usize = layers.iter().map(|product| product.count).sum();
        let runs = runs + usize::from(wanted > 0);
        // Appending keys and values, and attention, are phases too; with many rows the input of every
        // product is shared work of one more.
        let phases =
            runs * if phase == Phase::Prefill { 2 } else { 1 } + 2 * self.shape.info.layers;
        self.description.step.fixed_us * 1e-6 + phases as f64 * self.barrier_seconds(setting.crew)
    }
}
