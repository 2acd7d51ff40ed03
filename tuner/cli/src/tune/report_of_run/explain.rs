//! Why it is as fast as it is, in words: sentences that follow from what this run measured (share of
//! the read bandwidth, where a step's time goes, rates by threads), and none where nothing follows.

use sysinfer_engine::EngineInfo;
use sysinfer_probe::{Phase, Stage};
use sysinfer_report::Length;
use sysinfer_report::figures::{duration, number, proven, said, share};
use sysinfer_search::confirm::Fate;
use sysinfer_search::race::{Lane, Outcome};
use sysinfer_stats::{Estimate, family, median};
use sysinfer_table::split::{Split, SplitPart, Under};

/// From this share of the read bandwidth on, memory is what a thing waits for.
const BOUND_BY_MEMORY: f64 = 0.85;
/// Beyond this share of the median reading, memory was faster than it was then, and the share says nothing.
const ROOF_MOVED: f64 = 1.05;
/// Below this share, memory is idle for more than half of the time.
const MEMORY_IDLE: f64 = 0.5;
/// Rates this near to the best count as the best: the widest tie of a race.
const AS_FAST: f64 = 0.97;
/// Steps that grow by less than this with the length need no explanation.
const GROWS: f64 = 1.10;
/// A split step this much off the table's was taken on a host that was not itself.
const SAME_HOST: std::ops::RangeInclusive<f64> = 0.8..=1.25;

/// Said when there is nothing else to say.
pub const NOTHING: &str =
    "What holds the speed was not measured in this run, so nothing is said about it.";

/// What sentences are made from.
pub struct Evidence<'a> {
    /// The model.
    pub info: &'a EngineInfo,
    /// Last-level caches of the host in all, bytes; 0: unknown.
    pub cache_bytes: u64,
    /// Read bandwidth of the decode team, GB/s.
    pub roof: Option<Estimate>,
    /// The table.
    pub rows: &'a [Length],
    /// Where steps' time went.
    pub splits: &'a [Split],
    /// The races.
    pub races: &'a [Outcome],
    /// How phases were decided.
    pub contests: &'a [Contest],
    /// Threads of the decode team of the chosen and the default plan, where there is a choice.
    pub threads: Option<(usize, usize)>,
}

/// The better of winner and runner-up against the default in one phase, in fresh rounds.
#[derive(Clone, Copy, Debug)]
pub struct Contest {
    /// The phase.
    pub phase: Phase,
    /// Rate of the one, tokens/s.
    pub rival: Estimate,
    /// Rate of the default, tokens/s.
    pub default: Estimate,
    /// The former over the latter, round by round, which is what was decided by.
    pub margin: Estimate,
    /// What was decided.
    pub fate: Fate,
}

/// The sentences; [`NOTHING`] if there are none.
pub fn explain(evidence: &Evidence<'_>) -> Vec<String> {
    let sentences = [
        memory(evidence),
        products(evidence),
        threads(evidence, Stage::DecodeTeam, "Decoding"),
        waiting(evidence),
        growth(evidence),
        prefill(evidence),
        threads(evidence, Stage::PrefillTeam, "Reading prompts"),
        contest(evidence, Phase::Decode),
        contest(evidence, Phase::Prefill),
        doubt(evidence),
    ];
    let mut said: Vec<String> = sentences.into_iter().flatten().collect();
    if said.is_empty() {
        said.push(NOTHING.into());
    }
    said
}

/// How far decoding is from the read bandwidth, at the shortest length.
fn memory(evidence: &Evidence<'_>) -> Option<String> {
    let roof = evidence.roof?;
    let row = evidence
        .rows
        .iter()
        .find(|row| row.decode_tokens_per_second.is_some())?;
    let gb = row.decode_gb_per_second?;
    let part = gb.median / roof.median;
    let reads = format!(
        "at {} tokens it reads weights and cache at {} GB/s, {} of the read bandwidth of its threads, \
         {} GB/s",
        row.total_tokens,
        said(gb),
        share(part),
        said(roof)
    );
    Some(if cached(evidence) {
        format!(
            "Decoding: {reads}; the weights fit in the host's caches, so the bandwidth of its memory does \
             not say what holds it."
        )
    } else if part > ROOF_MOVED {
        format!(
            "Decoding: {reads}. Memory was faster then than in the median reading of its bandwidth, \
             so this share does not say what holds it."
        )
    } else if part >= BOUND_BY_MEMORY {
        format!("Decoding is bound by memory: {reads}.")
    } else {
        format!("Decoding is not bound by memory alone: {reads}.")
    })
}

/// Whether weights need not come from memory in every step.
fn cached(evidence: &Evidence<'_>) -> bool {
    fits_caches(evidence.info, evidence.cache_bytes)
}

/// The same of a model and the caches of a host, bytes.
pub(super) fn fits_caches(info: &EngineInfo, cache_bytes: u64) -> bool {
    info.decode_bytes <= cache_bytes
}

/// What matrix products take of a decode step, and how fast they read while they run.
fn products(evidence: &Evidence<'_>) -> Option<String> {
    let split = shortest(evidence, Under::Chosen)?;
    let parts = split.parts();
    let [products, ..] = &parts;
    let of_step = format!(
        "Of a decode step of {} at {} tokens, matrix products take {}, attention {}, waiting at \
         barriers {}, the rest {}",
        duration(split.step_seconds().median),
        split.total_tokens,
        share(products.share),
        share(parts[1].share),
        share(parts[2].share),
        share(parts[3].share),
    );
    let seconds = products.mean_seconds.median;
    let comparable = seconds > 0.0 && !cached(evidence);
    let Some(roof) = evidence.roof.filter(|_| comparable) else {
        return Some(format!("{of_step}."));
    };
    let gb = evidence.info.decode_bytes as f64 / seconds / 1e9;
    let part = gb / roof.median;
    let held = if part > ROOF_MOVED {
        "more than the median reading of this run: memory was faster then"
    } else if part >= BOUND_BY_MEMORY {
        "so memory is what they wait for"
    } else {
        "so their arithmetic or the latency of memory holds them, which these figures do not tell apart"
    };
    Some(format!(
        "{of_step}. While products run, they read weights at {} GB/s, {} of the read bandwidth, {held}.",
        number(gb),
        share(part)
    ))
}

/// From how many threads on more of them add nothing.
fn threads(evidence: &Evidence<'_>, stage: Stage, what: &str) -> Option<String> {
    let race = evidence.races.iter().find(|race| race.stage == stage)?;
    let lanes = by_threads(race);
    let (most, most_lane) = *lanes.last()?;
    let rate = |lane: &Lane| median(&lane.rates);
    let best = lanes.iter().map(|(_, lane)| rate(lane)).fold(0.0, f64::max);
    let enough = |(_, lane): &&(usize, &Lane)| rate(lane) >= AS_FAST * best;
    let (knee, knee_lane) = *lanes.iter().find(enough)?;
    if knee < most {
        let ratio = family::ratio(&most_lane.rates, &knee_lane.rates)?;
        let verdict = if ratio.high < AS_FAST {
            "more only cost speed"
        } else {
            "more add nothing"
        };
        return Some(format!(
            "{what} gets no faster from {knee} thread{} on, {verdict}: {most} threads make {} times \
             their rate, with the same map.",
            plural(knee),
            said(ratio)
        ));
    }
    let fewer = lanes.len().checked_sub(2).map(|index| lanes[index])?;
    let ratio = family::ratio(&most_lane.rates, &fewer.1.rates)?;
    if ratio.low <= 1.0 {
        return Some(format!(
            "{what}: {most} threads make {} times the rate of {}, with the same map; the samples do not \
             tell them apart.",
            said(ratio),
            fewer.0
        ));
    }
    Some(format!(
        "{what} uses every thread that was tried: {most} make {} times the rate of {}, with the same map.",
        said(ratio),
        fewer.0
    ))
}

/// Lanes of the winner's map that were measured, by threads.
fn by_threads(race: &Outcome) -> Vec<(usize, &Lane)> {
    let phase = match race.stage {
        Stage::PrefillTeam => Phase::Prefill,
        _ => Phase::Decode,
    };
    let map = &race.winner().plan.team(phase).map;
    let of_map =
        |lane: &&Lane| !lane.rates.is_empty() && lane.candidate.plan.team(phase).map == *map;
    let lanes = race.lanes.iter().filter(of_map);
    let mut lanes: Vec<(usize, &Lane)> = lanes
        .map(|lane| (lane.candidate.plan.team(phase).threads, lane))
        .collect();
    lanes.sort_by_key(|(threads, _)| *threads);
    lanes.dedup_by_key(|(threads, _)| *threads);
    lanes
}

/// What barriers cost, under the chosen plan and under the default.
fn waiting(evidence: &Evidence<'_>) -> Option<String> {
    let (chosen, default) = evidence.threads?;
    if chosen < 2 {
        return Some("A single thread decodes: there are no barriers to wait at.".into());
    }
    let split = shortest(evidence, Under::Chosen)?;
    let part = waits(split);
    let mut text = format!(
        "{chosen} threads wait {} per decode step for each other ({} of it)",
        duration(part.mean_seconds.median),
        share(part.share)
    );
    if let Some(split) = shortest(evidence, Under::Default).filter(|_| default > 1) {
        let part = waits(split);
        text += &format!(
            "; under the default plan, {default} wait {} ({})",
            duration(part.mean_seconds.median),
            share(part.share)
        );
    }
    Some(text + ".")
}

fn waits(split: &Split) -> SplitPart {
    let [_, _, waiting, _] = split.parts();
    waiting
}

/// What a long context adds to a step.
fn growth(evidence: &Evidence<'_>) -> Option<String> {
    let short = shortest(evidence, Under::Chosen)?;
    let long = decode_splits(evidence, Under::Chosen).max_by_key(|split| split.total_tokens)?;
    let (from, to) = (short.step_seconds().median, long.step_seconds().median);
    if long.total_tokens == short.total_tokens || to < GROWS * from {
        return None;
    }
    let attention = |split: &Split| split.parts()[1].mean_seconds.median;
    let added = attention(long) - attention(short);
    Some(format!(
        "From {} to {} tokens a decode step grows from {} to {}; attention makes {} of that, {} of the \
         growth.",
        short.total_tokens,
        long.total_tokens,
        duration(from),
        duration(to),
        duration(added.max(0.0)),
        share((added / (to - from)).clamp(0.0, 1.0))
    ))
}

/// What a prompt's time goes into, and whether memory is busy meanwhile.
fn prefill(evidence: &Evidence<'_>) -> Option<String> {
    let split = evidence
        .splits
        .iter()
        .filter(|split| split.under == Under::Chosen && split.phase == Phase::Prefill)
        .max_by_key(|split| split.total_tokens)?;
    let parts = split.parts();
    let spent = format!(
        "A prompt of {} tokens spends {} in matrix products, {} in attention, {} waiting and {} in the \
         rest",
        split.total_tokens,
        share(parts[0].share),
        share(parts[1].share),
        share(parts[2].share),
        share(parts[3].share)
    );
    let rows = evidence
        .rows
        .iter()
        .filter(|row| row.prefill_tokens_per_second.is_some());
    let row = rows.min_by_key(|row| row.total_tokens.abs_diff(split.total_tokens));
    let gb = row.and_then(|row| row.prefill_gb_per_second);
    let gb = gb.filter(|_| !cached(evidence));
    let Some((gb, roof)) = gb.zip(evidence.roof) else {
        return Some(format!("{spent}."));
    };
    let part = gb.median / roof.median;
    let held = if part > ROOF_MOVED {
        ", more than the median reading: memory was faster then"
    } else if part >= BOUND_BY_MEMORY {
        ": memory is what it waits for"
    } else if part < MEMORY_IDLE && parts[0].share >= 0.5 {
        ": arithmetic is what it waits for, not memory"
    } else {
        ""
    };
    Some(format!(
        "{spent}; its weights are read at {} GB/s, {} of the read bandwidth{held}.",
        number(gb.median),
        share(part)
    ))
}

fn contest(evidence: &Evidence<'_>, phase: Phase) -> Option<String> {
    let found = evidence
        .contests
        .iter()
        .find(|found| found.phase == phase)?;
    let side = |estimate: Estimate| format!("{} tokens/s", said(estimate));
    let verdict = match found.fate {
        Fate::Chosen if found.margin.low <= 1.0 => ": as fast, with fewer threads",
        Fate::Harmful => ": but the other phase was slower with it, so the default stays",
        Fate::Unproven if found.margin.low > 1.0 => {
            ": after so many looks that may be luck, so the default stays"
        }
        _ if found.margin.low > 1.0 => "",
        _ if found.margin.high < 1.0 => ": it was slower",
        _ => ": the samples do not tell them apart",
    };
    Some(format!(
        "In fresh rounds, the winner of the search for {} ran at {}, the default at {}; round by round, {}{verdict}.",
        phase.name(),
        side(found.rival),
        side(found.default),
        proven(&found.margin),
    ))
}

/// A warning when the split's steps were not like the table's.
fn doubt(evidence: &Evidence<'_>) -> Option<String> {
    let split = shortest(evidence, Under::Chosen)?;
    let row = evidence
        .rows
        .iter()
        .find(|row| row.total_tokens == split.total_tokens)?;
    let table = 1.0 / row.decode_tokens_per_second?.median;
    let own = split.step_seconds().median;
    if SAME_HOST.contains(&(own / table)) {
        return None;
    }
    Some(format!(
        "Steps took {} when their parts were timed and {} in the table: the host was not the same then, \
         so trust the shares of a step less.",
        duration(own),
        duration(table)
    ))
}

fn decode_splits<'e>(evidence: &'e Evidence<'_>, under: Under) -> impl Iterator<Item = &'e Split> {
    evidence
        .splits
        .iter()
        .filter(move |split| split.under == under && split.phase == Phase::Decode)
}

fn shortest<'e>(evidence: &'e Evidence<'_>, under: Under) -> Option<&'e Split> {
    decode_splits(evidence, under).min_by_key(|split| split.total_tokens)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests;
