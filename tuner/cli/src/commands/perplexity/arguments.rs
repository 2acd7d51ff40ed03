//! The arguments of `perplexity`, and the help that says exactly what is measured.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use sysinfer_engine::CacheType;
use sysinfer_quality::windows::MIN_CONTEXT_TOKENS;

use crate::commands::chosen_plan::PlanArgs;

const WHAT_IS_MEASURED: &str = "\
What is measured (the protocol of llama.cpp's llama-perplexity, so that numbers can be compared):
  The text is tokenized once, control tokens in it as plain text, with BOS in front if the model
  adds one, and cut into windows of --context tokens that do not overlap; the rest is dropped, and so
  is one newline at the end of the text. In each window the first token is replaced by BOS (if the
  model adds one) and the tokens of the second half but its first are scored: 255 of 512.
  Perplexity is exp(mean of -ln p(right token)). It depends on the text, the tokenizer and the
  window, so compare only what was measured alike.

  The reference reads the same tokens. Without --reference it is the same file with every matrix
  dequantised and multiplied in f32 and keys and values kept in f32: what the file means, so that the
  difference is what kernels, rounded activations and --cache cost. With --reference FILE.gguf it is
  that file as stored, keys and values in f32: with the F16, BF16 or F32 file of a model, the
  difference is what its quantisation costs too.
  KL divergence is sum p ln(p/q) over the vocabulary, p the reference's and q the model's
  probabilities, in nats, in 64-bit arithmetic from unrounded logits. Standard errors take tokens for
  independent. Of an interrupted run, what was measured is printed and marked as partial.

Examples:
  sysinfer-tune perplexity model-Q4_K_M.gguf wiki.txt --tokens 8192
  sysinfer-tune perplexity model.gguf wiki.txt --cache q8_0 --format json
  sysinfer-tune perplexity model-Q4_0.gguf wiki.txt --reference model-F16.gguf
  head -c 200000 book.txt | sysinfer-tune perplexity model.gguf - --no-reference
  sysinfer-tune perplexity model.gguf wiki.txt --kernel x86_64-q4_0-avx2-r8x4";

/// Most tokens of a window; more is beyond any model.
const MAX_CONTEXT_TOKENS: u64 = 1 << 24;

/// Arguments of `perplexity`.
#[derive(Args, Clone, Debug)]
#[command(after_help = WHAT_IS_MEASURED)]
pub struct PerplexityArgs {
    /// GGUF file of the model
    #[arg(value_name = "MODEL.gguf")]
    pub model: PathBuf,
    /// Text in UTF-8, at most 16 MiB; - reads standard input
    #[arg(value_name = "TEXT")]
    pub text: PathBuf,
    /// Tokens of a window
    #[arg(long, value_name = "TOKENS", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(MIN_CONTEXT_TOKENS as i64..=MAX_CONTEXT_TOKENS as i64))]
    pub context: u32,
    /// Score the windows of at most so many tokens of the text [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens: Option<u32>,
    /// Tokens per step: 1 to 8 are run by the decode team and kernels, more by those for prompts
    #[arg(long, value_name = "TOKENS", default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=512))]
    pub step: u16,
    /// How the model keeps keys and values
    #[arg(long, value_name = "TYPE", default_value = CacheType::F16.name(), value_parser = cache_parser())]
    pub cache: CacheType,
    /// How it is run.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Compare with this file, as stored [default: the model's own weights in f32]
    #[arg(long, value_name = "FILE.gguf", conflicts_with = "no_reference")]
    pub reference: Option<PathBuf>,
    /// Perplexity alone
    #[arg(long)]
    pub no_reference: bool,
    /// Form of the result
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Format,
}

/// Forms of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

fn cache_parser() -> impl TypedValueParser<Value = CacheType> {
    PossibleValuesParser::new(CacheType::ALL.map(CacheType::name))
        .try_map(|name| CacheType::from_name(&name).ok_or("no such cache type"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Cli, Command};
    use clap::Parser;

    fn parse(arguments: &[&str]) -> Result<PerplexityArgs, clap::Error> {
        let line = ["sysinfer-tune", "perplexity"].iter().chain(arguments);
        match Cli::try_parse_from(line)?.command {
            Some(Command::Perplexity(arguments)) => Ok(arguments),
            other => panic!("perplexity became {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let arguments = parse(&["m.gguf", "-"]).expect("the shortest form");
        assert_eq!(
            (arguments.context, arguments.tokens, arguments.step),
            (512, None, 64)
        );
        assert_eq!(arguments.cache, CacheType::F16);
        assert_eq!(arguments.format, Format::Text);
        for cache in CacheType::ALL {
            let line = [
                "m.gguf",
                "t.txt",
                "--cache",
                cache.name(),
                "--kernel",
                "a",
                "--kernel",
                "b",
            ];
            let arguments = parse(&line).expect("a cache type");
            assert_eq!(arguments.cache, cache);
            assert_eq!(arguments.plan.kernels, ["a", "b"]);
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let wrong: [&[&str]; 9] = [
            &["m.gguf"],
            &["m.gguf", "t.txt", "--context", "3"],
            &["m.gguf", "t.txt", "--tokens", "0"],
            &["m.gguf", "t.txt", "--step", "0"],
            &["m.gguf", "t.txt", "--step", "513"],
            &["m.gguf", "t.txt", "--cache", "q4_0"],
            &["m.gguf", "t.txt", "--format", "xml"],
            &["m.gguf", "t.txt", "--reference", "r.gguf", "--no-reference"],
            &["m.gguf", "t.txt", "--threads", "2", "--profile", "p.toml"],
        ];
        for arguments in wrong {
            assert!(parse(arguments).is_err(), "{arguments:?} was accepted");
        }
    }
}
