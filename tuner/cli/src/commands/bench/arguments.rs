//! The arguments of `bench`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::chosen_plan::PlanArgs;
use crate::model_arguments::ModelArgs;
use crate::numbers::Numbers;

/// Arguments of `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to run.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to run it.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Total lengths (prompt + output) of the decode run, tokens, or none
    #[arg(long, value_name = "LIST", default_value = "32,64,128,256,512", value_parser = Numbers::or_none)]
    pub lengths: Numbers,
    /// Sample decode lengths from this one on, in place of decoding all the way: a prompt of each is
    /// read, and some decode steps are timed behind it
    #[arg(long, value_name = "TOKENS", conflicts_with = "sequences")]
    pub sampled_from: Option<usize>,
    /// Prompt lengths, tokens, or none
    #[arg(long, value_name = "LIST", default_value = "128,512", value_parser = Numbers::or_none)]
    pub prefill: Numbers,
    /// Sequences that every decode step extends; rates are those of all together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub sequences: u16,
    /// Only load, read the prompt and choose one token; print how long that took from the start of
    /// the program, and the most memory that it took
    #[arg(long, conflicts_with_all = ["lengths", "sampled_from", "prefill", "sequences", "repeat"])]
    pub first_token: bool,
    /// Tokens of the prompt that decode runs start from
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub prompt: usize,
    /// Runs; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Measure lookup instead: the text of FILE is continued with and without drafts from what
    /// prompt and answer repeat, and both answers are compared. May be given several times;
    /// control tokens that are written out count, so FILE can hold a whole chat prompt
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lengths", "sampled_from", "prefill", "prompt"])]
    pub lookup: Vec<PathBuf>,
    /// Most tokens of an answer of --lookup; an end token ends it before
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub tokens: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}
