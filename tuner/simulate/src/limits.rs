//! What a simulated decode step waits for: memory, what cores can take of it, their arithmetic, or none of
//! these.

use std::fmt;

use sysinfer_engine::{Phase, Plan};

use super::machine::{Machine, overlapped};
use super::setting::Setting;

/// What binds a decode step at several lengths, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Sentences.
    pub lines: Vec<String>,
    /// Header of a table.
    pub header: Vec<String>,
    /// A row for each length.
    pub rows: Vec<Vec<String>>,
}

/// The parts of one decode step, each as long as if it were alone, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Weights, keys and values that the step reads, bytes.
    pub bytes: f64,
    /// The node that takes longest to give what is read of it.
    pub memory: f64,
    /// The core that takes longest to read its part, whatever memory gives.
    pub reading: f64,
    /// The core that takes longest to multiply, were all it reads in its cache.
    pub arithmetic: f64,
    /// Barriers, and what a step costs besides.
    pub rest: f64,
    /// All products: memory, reading and arithmetic of weights as they overlap.
    pub weights: f64,
    /// The same of keys and values.
    pub attention: f64,
    /// The same of what attention's units leave, which every worker merges for itself.
    pub merging: f64,
    /// The whole step, in which these overlap but for the rest.
    pub step: f64,
}

/// The longest part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The bandwidth of nodes.
    Memory,
    /// What each core can read.
    Reading,
    /// What each core can multiply.
    Arithmetic,
    /// Barriers and fixed costs.
    Rest,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Memory => "memory",
            Bound::Reading => "what cores can read",
            Bound::Arithmetic => "cores' arithmetic",
            Bound::Rest => "barriers and fixed costs",
        })
    }
}

impl Limits {
    /// What binds.
    pub fn bound(&self) -> Bound {
        let parts = [
            (Bound::Memory, self.memory),
            (Bound::Reading, self.reading),
            (Bound::Arithmetic, self.arithmetic),
            (Bound::Rest, self.rest),
        ];
        let longest = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        longest.map_or(Bound::Memory, |(bound, _)| bound)
    }

    /// A part's time as the rate at which it would let the step's bytes through, GB/s.
    fn rate(&self, seconds: f64) -> f64 {
        self.bytes / seconds.max(1e-12) / 1e9
    }
}

impl Machine {
    /// What the decode step that ends at `length` tokens waits for.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn decode_limits(&self, plan: &Plan, length: usize) -> Result<Limits, String> {
        self.check(plan)?;
        let crew = self.crew(&plan.decode)?;
        let heads = self.heads(plan, &crew, &crew);
        let setting = Setting::of_decode(&crew, plan, &heads);
        let attention = self.attention_parts(&setting, length);
        let products = self.shape.layers.iter().chain([&self.shape.output]);
        let [memory, reading, arithmetic] = products.fold(attention.units, |sum, product| {
            let parts = self.product_parts(&setting, product, Phase::Decode, 1);
            std::array::from_fn(|part| sum[part] + product.count as f64 * parts[part])
        });
        let info = &self.shape.info;
        let rest = self.overhead_seconds(&setting, Phase::Decode, 1);
        let products = self.step_seconds(&setting, 1);
        Ok(Limits {
            bytes: info.decode_bytes as f64 + info.kv_bytes_per_position as f64 * length as f64,
            memory: crew.slowdown * memory,
            reading: crew.slowdown * (reading + attention.merging[0]),
            arithmetic: crew.slowdown * (arithmetic + attention.merging[1]),
            rest: crew.slowdown * (rest + attention.meeting),
            weights: crew.slowdown * (products - rest),
            attention: crew.slowdown * overlapped(&attention.units),
            merging: crew.slowdown * overlapped(&attention.merging),
            step: crew.slowdown * (products + attention.seconds()),
        })
    }
}

/// The limits of a decode step at each length, as a report shows them; `None` where nothing was decoded.
///
/// # Errors
/// A plan that cannot run there.
pub fn section(
    machine: &Machine,
    plan: &Plan,
    lengths: &[usize],
) -> Result<Option<Explained>, String> {
    let known: Result<Vec<(usize, Limits)>, String> = lengths
        .iter()
        .map(|length| Ok((*length, machine.decode_limits(plan, *length)?)))
        .collect();
    let known = known?;
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return Ok(None);
    };
    let mut lines = vec![sentence(first)];
    lines.extend((last.0 != first.0).then(|| sentence(last)));
    lines.push(
        "Each rate is that of the step's bytes if nothing else took time: the slowest node's memory, the \
         slowest core's reading, the slowest core's kernels with all that they read in its cache (attention \
         and the merging of its parts included). The milliseconds are what a step waits for each, reading and \
         arithmetic overlapped; together they are the step. Calculated for the last step of each length under the plan that was chosen, with no noise."
            .into(),
    );
    let header = [
        "total tokens",
        "GB read per step",
        "memory gives, GB/s",
        "cores can read, GB/s",
        "kernels could read, GB/s",
        "the step reads, GB/s",
        "weights, ms",
        "attention, ms",
        "its merging, ms",
        "barriers and fixed, ms",
        "bound by",
    ];
    let row = |(length, limits): &(usize, Limits)| {
        let rate = |seconds| format!("{:.0}", limits.rate(seconds));
        let milliseconds = |seconds: f64| format!("{:.2}", seconds * 1e3);
        vec![
            length.to_string(),
            format!("{:.2}", limits.bytes / 1e9),
            rate(limits.memory),
            rate(limits.reading),
            rate(limits.arithmetic),
            rate(limits.step),
            milliseconds(limits.weights),
            milliseconds(limits.attention),
            milliseconds(limits.merging),
            milliseconds(limits.rest),
            limits.bound().to_string(),
        ]
    };
    Ok(Some(Explained {
        lines,
        header: header.map(str::to_owned).into(),
        rows: known.iter().map(row).collect(),
    }))
}

/// `At 32 tokens bound by memory: kernels could read 1700 GB/s, memory gives 490.`
fn sentence((length, limits): &(usize, Limits)) -> String {
    let kernels = limits.rate(limits.arithmetic);
    let memory = limits.rate(limits.memory);
    format!(
        "At {length} tokens bound by {}: kernels could read {kernels:.0} GB/s, memory gives {memory:.0} GB/s, \
         the step reads {:.0} GB/s.",
        limits.bound(),
        limits.rate(limits.step)
    )
}
