//! `bench --lookup`: what drafting from repeated text gains on a prompt of the user's own.
//!
//! The same prompt is continued greedily with lookup and without, one after the other, so that both
//! see the same minutes of the host. The tokens have to be the same; the clock runs over everything
//! that a server does per token but the text.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_engine::{
    Drafter, Drafts, Drawn, Engine, Entry, Lookup, Precision, Sampler, SamplingOptions, Sequence,
    Tokenizer, Turn, Wanted,
};
use sysinfer_probe::{Interrupt, Progress};
use sysinfer_quality::text;
use sysinfer_stats::summary::median;

use super::arguments::BenchArgs;
use crate::commands::chosen_plan;
use crate::progress::Terminal;
use crate::{Ending, interrupt, this_host};

/// Steps that are not timed, before the first that is.
const WARM_TOKENS: usize = 16;

/// A prompt that is in the sequence, and what follows it.
struct Prompt {
    tokens: usize,
    /// Drawn from its logits.
    first: u32,
}

/// One run after the prompt.
struct Trial {
    /// What was generated, the first token included.
    tokens: Vec<u32>,
    /// From the first token to the last.
    seconds: f64,
    drafts: Drafts,
}

/// What the runs of one prompt come to.
#[derive(Debug, PartialEq, Serialize)]
struct Comparison {
    prompt: String,
    prompt_tokens: usize,
    tokens: usize,
    rounds: usize,
    /// Median tokens/s without lookup.
    plain: f64,
    /// Median tokens/s with it.
    lookup: f64,
    /// Median of the rounds' own ratios.
    ratio: f64,
    /// Of the last round.
    drafted: usize,
    accepted: usize,
}

/// The JSON object.
#[derive(Serialize)]
struct Json<'a> {
    engine: &'static str,
    model: String,
    threads: usize,
    lookup: &'a [Comparison],
}

/// Measures every prompt and prints.
///
/// # Errors
/// A model without text, a prompt that cannot be read or is too long, a failure while running, and
/// tokens that lookup changed.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<Ending> {
    let host = this_host::discover()?;
    host.require_real()?;
    let texts: Vec<String> = arguments
        .lookup
        .iter()
        .map(|path| text::read(path))
        .collect::<anyhow::Result<_>>()?;
    let source = arguments.model.required()?;
    let plan = chosen_plan::plan(&arguments.plan, &host)?;
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();
    let mut engine = source.open(plan, Precision::default(), &host.topology, &progress)?;
    progress.finish();
    chosen_plan::check_kernels(&arguments.plan, &engine)?;
    let mut all = Vec::new();
    for (path, text) in arguments.lookup.iter().zip(&texts) {
        let bench = (arguments.tokens.into(), arguments.repeat.into());
        let compared = compare(&mut engine, (path, text), bench, &interrupt)?;
        if let Some(comparison) = &compared
            && !arguments.json
        {
            println!("{}", comparison.text());
        }
        let Some(comparison) = compared else { break };
        all.push(comparison);
    }
    if arguments.json {
        let object = Json {
            engine: "sysinfer",
            model: source.name(),
            threads: engine.plan().decode.threads,
            lookup: &all,
        };
        println!("{}", serde_json::to_string(&object)?);
    }
    Ok(if interrupt.is_set() {
        Ending::Interrupted
    } else {
        Ending::Complete
    })
}

/// Runs one prompt `rounds` times with and without lookup, the order changing each time. `None`:
/// interrupted before the first round was over.
fn compare(
    engine: &mut Engine,
    (path, text): (&Path, &str),
    (most, rounds): (usize, usize),
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Comparison>> {
    let name = text::name(path);
    let tokenizer = engine.tokenizer().cloned();
    let tokenizer = tokenizer.context(
        "--lookup needs a model that reads text: this one has no tokenizer; name a GGUF file that has",
    )?;
    let (prompt, mut sequence) = load(engine, &tokenizer, (&name, text), most)?;
    let mut run = |lookup: Lookup, most| {
        let ends = |token| tokenizer.is_end(token);
        generate(engine, &mut sequence, (&prompt, most), lookup, &ends)
    };
    run(Lookup::off(clock()), WARM_TOKENS.min(most))?;
    let mut done: Vec<(Trial, Trial)> = Vec::new();
    for round in 0..rounds {
        if interrupt.is_set() {
            break;
        }
        let pair = if round % 2 == 0 {
            let plain = run(Lookup::off(clock()), most)?;
            (plain, run(Lookup::auto(clock()), most)?)
        } else {
            let lookup = run(Lookup::auto(clock()), most)?;
            (run(Lookup::off(clock()), most)?, lookup)
        };
        require_same(&name, &pair.0.tokens, &pair.1.tokens)?;
        done.push(pair);
    }
    Ok(Comparison::of(name, prompt.tokens, &done))
}

/// Time from now on. Every run has a lookup as the server's, which knows nothing yet.
fn clock() -> Box<dyn FnMut() -> Duration + Send> {
    let start = Instant::now();
    Box::new(move || start.elapsed())
}

/// Computes the prompt into a sequence that has room for the answer.
fn load(
    engine: &mut Engine,
    tokenizer: &Tokenizer,
    (name, text): (&str, &str),
    most: usize,
) -> anyhow::Result<(Prompt, Sequence)> {
    let options = Encode {
        add_special: true,
        parse_special: true,
    };
    let tokens = tokenizer.encode(text, options);
    if tokens.is_empty() {
        bail!("{name} is empty: there is nothing to continue");
    }
    let sequence = engine.sequence(tokens.len() + most);
    let mut sequence = sequence.with_context(|| {
        let count = tokens.len();
        format!("{name} has {count} tokens; shorten it, or ask for fewer with --tokens")
    })?;
    let entry = Entry {
        sequence: &mut sequence,
        tokens: &tokens,
        wanted: Wanted::Last,
    };
    let first = greedy()?.sample(engine.step(&mut [entry])?.row(0)?);
    let prompt = Prompt {
        tokens: tokens.len(),
        first,
    };
    Ok((prompt, sequence))
}

fn greedy() -> anyhow::Result<Sampler> {
    Ok(Sampler::new(SamplingOptions::default(), 0)?)
}

/// Continues the prompt by at most `most` tokens, the first included.
fn generate(
    engine: &mut Engine,
    sequence: &mut Sequence,
    (prompt, most): (&Prompt, usize),
    mut lookup: Lookup,
    ends: &dyn Fn(u32) -> bool,
) -> anyhow::Result<Trial> {
    sequence.truncate(prompt.tokens);
    let mut sampler = greedy()?;
    let mut drafter = Drafter::default();
    let mut tokens = vec![prompt.first];
    let mut over = ends(prompt.first) || most == 1;
    let started = Instant::now();
    while !over {
        let turn = Turn {
            sequence,
            drafter: &mut drafter,
            last: tokens[tokens.len() - 1],
            most_tokens: most - tokens.len(),
        };
        let spoilt = lookup.step(engine, &mut [turn], Vec::new(), &mut |_, logits| {
            let token = sampler.sample(logits);
            sampler.accept(token);
            tokens.push(token);
            over = ends(token) || tokens.len() == most;
            Drawn { token, over }
        })?;
        spoilt.require_none()?;
    }
    Ok(Trial {
        tokens,
        seconds: started.elapsed().as_secs_f64(),
        drafts: drafter.drafts(),
    })
}

fn require_same(name: &str, plain: &[u32], lookup: &[u32]) -> anyhow::Result<()> {
    if plain == lookup {
        return Ok(());
    }
    let same = plain.iter().zip(lookup);
    let same = same.take_while(|(plain, lookup)| plain == lookup).count();
    bail!(
        "{name}: lookup changed the answer from token {} on; that is a fault, please report it \
         with this model, prompt and CPU, and serve with --lookup off",
        same + 1
    )
}

impl Trial {
    /// Tokens per second after the first; 0 where there are none.
    fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            (self.tokens.len() - 1) as f64 / self.seconds
        } else {
            0.0
        }
    }
}

impl Comparison {
    fn of(prompt: String, prompt_tokens: usize, rounds: &[(Trial, Trial)]) -> Option<Self> {
        let (_, last) = rounds.last()?;
        let median_of = |number: &dyn Fn(&(Trial, Trial)) -> f64| {
            let numbers: Vec<f64> = rounds.iter().map(number).collect();
            (median(&numbers) * 1000.0).round() / 1000.0
        };
        let ratio = |(plain, lookup): &(Trial, Trial)| match plain.rate() {
            0.0 => 1.0,
            rate => lookup.rate() / rate,
        };
        Some(Self {
            prompt,
            prompt_tokens,
            tokens: last.tokens.len(),
            rounds: rounds.len(),
            plain: median_of(&|(plain, _)| plain.rate()),
            lookup: median_of(&|(_, lookup)| lookup.rate()),
            ratio: median_of(&ratio),
            drafted: last.drafts.drafted,
            accepted: last.drafts.accepted,
        })
    }

    fn text(&self) -> String {
        let accepted = match self.drafted {
            0 => "nothing was drafted".into(),
            drafted => format!(
                "{} of {drafted} drafted tokens accepted ({:.0} %)",
                self.accepted,
                100.0 * self.accepted as f64 / drafted as f64
            ),
        };
        format!(
            "{}: {} tokens after {} of prompt, the same with and without lookup\n\
             \x20 without {:8.2} tokens/s\n\
             \x20 with    {:8.2} tokens/s, {:.2} x (median of {} rounds)\n\
             \x20 {accepted}",
            self.prompt,
            self.tokens,
            self.prompt_tokens,
            self.plain,
            self.lookup,
            self.ratio,
            self.rounds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(tokens: &[u32], seconds: f64, drafted: usize) -> Trial {
        let drafts = Drafts {
            drafted,
            accepted: drafted / 2,
        };
        Trial {
            tokens: tokens.to_vec(),
            seconds,
            drafts,
        }
    }

    #[test]
    fn rounds_are_compared_with_themselves() {
        let tokens = [1; 11];
        // The host was slow in the second round, for both.
        let rounds = [
            (trial(&tokens, 1.0, 0), trial(&tokens, 0.5, 8)),
            (trial(&tokens, 4.0, 0), trial(&tokens, 2.0, 8)),
            (trial(&tokens, 2.0, 0), trial(&tokens, 0.5, 4)),
        ];
        let compared = Comparison::of("p.txt".into(), 7, &rounds).expect("three rounds");
        assert_eq!((compared.plain, compared.lookup), (5.0, 20.0));
        assert_eq!((compared.ratio, compared.rounds), (2.0, 3));
        let text = compared.text();
        for part in ["p.txt: 11 tokens after 7", "2.00 x", "2 of 4", "(50 %)"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(Comparison::of("p.txt".into(), 7, &[]), None);
        let ended_at_once = [(trial(&[2], 0.0, 0), trial(&[2], 0.0, 0))];
        let compared = Comparison::of("p.txt".into(), 7, &ended_at_once).expect("one round");
        assert_eq!((compared.ratio, compared.plain), (1.0, 0.0));
        assert!(compared.text().contains("nothing was drafted"));
    }

    #[test]
    fn changed_tokens_are_a_fault() {
        assert!(require_same("p", &[1, 2, 3], &[1, 2, 3]).is_ok());
        let error = require_same("p", &[1, 2, 3], &[1, 2, 4]).expect_err("the third differs");
        assert!(error.to_string().contains("from token 3"), "{error}");
        assert!(require_same("p", &[1, 2], &[1, 2, 3]).is_err());
    }
}
