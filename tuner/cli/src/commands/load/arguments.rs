//! The command line of `load`: what is sent, how often, and what counts as good.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sysinfer_load::{Address, Endpoint};

/// The most requests of one run; it bounds what is kept about them.
pub const MOST_REQUESTS: u64 = 1_000_000;
/// Requests of a run that is given neither a number nor a time.
pub const USUAL_REQUESTS: u64 = 100;

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune load http://127.0.0.1:7860 --concurrency 4 --requests 100
  sysinfer-tune load http://127.0.0.1:7860/v1 --rate 2.5 --duration 120 --ttft-target 500 --itl-target 50
  sysinfer-tune load http://127.0.0.1:8080 --prompts questions.jsonl --output-tokens 64 --json
  OPENAI_API_KEY=sk-... sysinfer-tune load http://127.0.0.1:8000 --endpoint completions --csv requests.csv

Closed arrivals (--concurrency) send the next request when one has ended: a slow server is asked less.
Open arrivals (--rate) come as they come, and latencies count from when a request should have been
sent, so that a queue in front of the server shows.";

/// Arguments of `load`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct LoadArgs {
    /// Address of the server, http only: http://HOST:PORT/PATH; without a path, /v1
    #[arg(value_name = "URL")]
    pub url: Address,
    /// Model to ask for [default: the first that the server lists]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Key to send [default: $OPENAI_API_KEY, else $SYSINFER_API_KEY, else none]
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
    /// What is asked of the server
    #[arg(long, value_name = "ENDPOINT", default_value = Endpoint::Chat.name(), value_parser = endpoint())]
    pub endpoint: Endpoint,
    /// Requests to send [default: 100 unless --duration]
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..=MOST_REQUESTS))]
    pub requests: Option<u64>,
    /// Send for this long, then wait for what is under way, seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub duration: Option<u32>,
    /// Closed arrivals: requests under way at any time [default: 1]
    #[arg(long, value_name = "C", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub concurrency: Option<u32>,
    /// Open arrivals: requests per second on average, at random times (Poisson)
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,
    /// Most requests under way with --rate; more wait in the client, and their wait counts
    #[arg(long, value_name = "M", requires = "rate", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub max_in_flight: u32,
    /// Tokens of a prompt, about: words are drawn at random
    #[arg(long, value_name = "P", default_value_t = 128, conflicts_with = "prompts", value_parser = clap::value_parser!(u32).range(1..=262_144))]
    pub prompt_tokens: u32,
    /// Most tokens of an answer; asked to be exactly so many unless --stop-at-eos
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=262_144))]
    pub output_tokens: u32,
    /// Prompts to send by turns: a .txt file with one per line, or .jsonl with messages
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Let answers end where the model ends them; needed for servers that refuse ignore_eos
    #[arg(long)]
    pub stop_at_eos: bool,
    /// Seed of arrivals and random prompts
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Requests sent before, one after the other, that do not count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub warm_up: u32,
    /// A request that takes longer has failed, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub timeout: u32,
    /// Goodput: time to first token at most, milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub ttft_target: Option<f64>,
    /// Goodput: time per output token of a request at most, milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub itl_target: Option<f64>,
    /// Goodput: time of the whole request at most, milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub e2e_target: Option<f64>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Write one line per request to this file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

fn endpoint() -> impl TypedValueParser<Value = Endpoint> {
    PossibleValuesParser::new(Endpoint::ALL.map(Endpoint::name))
        .try_map(|name| Endpoint::from_name(&name).ok_or("no such endpoint"))
}

fn rate(text: &str) -> Result<f64, String> {
    positive(text, 10_000.0, "requests per second")
}

fn milliseconds(text: &str) -> Result<f64, String> {
    positive(text, 86_400_000.0, "milliseconds")
}

fn positive(text: &str, most: f64, unit: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value >= 0.001 && value <= most => Ok(value),
        _ => Err(format!(
            "it must be a number of {unit} from 0.001 to {most}"
        )),
    }
}
