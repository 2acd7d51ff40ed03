//! The command line. It keeps the original's `MODEL -t TEMPERATURE -n TOKENS`.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Parser;
use sysinfer_engine::model::part_name::PartName;
use sysinfer_engine::{CacheType, WeightStorage};
use sysinfer_machine::CpuList;
use sysinfer_profiles::serving::MAX_TOKEN_GAP_MS;

use crate::network_arguments::NetworkArguments;

const EXAMPLES: &str = "\
Examples:
  sysinfer-server model.gguf -t 0.0 -n 4096 --profile sysinfer-profile.toml
  sysinfer-server model.gguf --host 0.0.0.0 --api-key-file keys.txt   (for other hosts too)
  sysinfer-server model.gguf --lookup off
  sysinfer-server model.gguf --parallel 32 --kv-memory 24G   (32 users at once)
  sysinfer-server model.gguf --chat-template ./my-template.jinja
  sysinfer-server model.gguf --keep-file-cache   (quick to start again, at the price of memory)
  sysinfer-server larger-than-memory.gguf --weights mapped
  OMP_NUM_THREADS=88 GOMP_CPU_AFFINITY=0-21,24-45,48-69,72-93 ./server model.gguf -t 0.0 -n 4096

Environment (the command line wins over it, and it wins over the profile):
  OMP_NUM_THREADS      threads, the first of a comma list
  GOMP_CPU_AFFINITY    CPUs of the threads, for example 0-21,24-45 or 0-30:2
  OMP_PROC_BIND        false: leave threads unpinned
  SYSINFER_CACHE_TYPE  type of keys and values, as --cache-type
  SYSINFER_LOOKUP      auto or off, as --lookup
  SYSINFER_WEIGHTS     auto, packed or mapped, as --weights
  SYSINFER_KEEP_FILE_CACHE  true: as --keep-file-cache; false: not, whatever the profile says
  SYSINFER_API_KEY     an API key, as --api-key; not visible in process lists
  SYSINFER_LOG         log filter, for example debug or warn
  SYSINFER_RUNNER      words before the server's own program where it starts that once more, to render
                       chat templates: an emulator and its arguments, on a host of another architecture";

/// Serve a GGUF model over the OpenAI API.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// The model, a GGUF file
    pub model: PathBuf,

    /// Temperature of requests that name none, 0 to 2; 0 always takes the most likely token.
    /// (Not threads, as llama.cpp's -t is: those are --threads)
    #[arg(short = 't', long, default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    pub temperature: f32,

    /// Most tokens of one answer; requests that ask for more get this many
    #[arg(short = 'n', long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,

    /// Run as this profile says, written by sysinfer-tune for this host
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,

    /// Use the profile although it was measured on another host
    #[arg(long, requires = "profile")]
    pub force_profile: bool,

    /// Run the profile's plan although it says that it is not to be trusted (too many samples of its
    /// run were disturbed); without this, the default plan is run then
    #[arg(long, requires = "profile")]
    pub force_untrusted: bool,

    /// Threads of both phases, over environment and profile; without --cpus, those of an untuned host
    /// go to cores that no other process is pinned to, or stay unpinned
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub threads: Option<u32>,

    /// CPUs of the threads, over environment and profile: 0-3,8 or 0-6:2 (first:last:step)
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<CpuList>,

    /// Requests that are answered at once, in shared steps; more wait (--queue). Answers are the same
    /// whatever else runs [default: the profile's, else 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub parallel: Option<u32>,

    /// Memory for keys and values of all requests, for example 8G or 512MiB; a request waits until it has
    /// room for its prompt and its longest answer [default: what --parallel requests of --context tokens
    /// need, at most half of the memory that the weights leave]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    pub kv_memory: Option<ByteSize>,

    /// Longest time between two tokens of an answer while prompts of others are read, in milliseconds;
    /// three steps of one token each, where those take longer [default: the profile's, else 100]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKEN_GAP_MS)))]
    pub token_gap: Option<u32>,

    /// Tokens that prompt and answer of one request may have together
    /// [default: the model's context, at most 8192]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(16..))]
    pub context: Option<u32>,

    /// Type of the keys and values that are kept of each token: f16, or q8_0 in 53 % of the memory
    /// [default: f16]
    #[arg(long, value_name = "TYPE", value_parser = cache_type)]
    pub cache_type: Option<CacheType>,

    /// Whether tokens are drafted from what prompt and answer repeat, several checked in one step:
    /// auto (where it is measured to pay) or off. Answers are the same [default: auto]
    #[arg(long, value_name = "MODE", value_parser = lookup_mode)]
    pub lookup: Option<LookupMode>,

    /// Where weights are: packed (in memory, fastest), mapped (in the file, packed anew at every step,
    /// so that memory is only what the system caches of it) or auto (mapped if packed weights would
    /// take more than half of the memory that may be used). Answers are the same [default: auto]
    #[arg(long, value_name = "WHERE")]
    pub weights: Option<WeightStorage>,

    /// Leave the model file in the page cache once its weights are packed: the next start reads it
    /// from memory, which it takes until the system wants it
    #[arg(long)]
    pub keep_file_cache: bool,

    /// Name of the model in the API [default: the file name without .gguf]
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,

    /// Requests that may wait for those that run; more get 429 and Retry-After
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub queue: u32,

    /// Chat template: a Jinja file, or one of chatml, llama3, llama2, mistral (the version that fits
    /// the vocabulary), mistral-v1, mistral-v3, mistral-v7, zephyr, baichuan, plain
    /// [default: the one in the model file, else the one that fits its vocabulary]
    #[arg(long, value_name = "NAME|FILE")]
    pub chat_template: Option<String>,

    /// Where the server listens and whom it lets in
    #[command(flatten)]
    pub network: NetworkArguments,
}

/// Whether tokens are drafted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LookupMode {
    /// Where it is measured to pay.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl LookupMode {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            LookupMode::Auto => "auto",
            LookupMode::Off => "off",
        }
    }
}

impl Arguments {
    /// The name that the API shows.
    pub fn served_name(&self) -> String {
        match (&self.model_name, self.model.file_stem()) {
            (Some(name), _) => name.clone(),
            (None, Some(stem)) => {
                let part = PartName::of(&self.model);
                let stem = part.as_ref().map_or(stem, |part| part.stem.as_os_str());
                stem.to_string_lossy().into_owned()
            }
            (None, None) => "model".into(),
        }
    }
}

/// The type of that name, of those that are served; f32 is for comparisons.
///
/// # Errors
/// The names that are known.
pub fn cache_type(text: &str) -> Result<CacheType, String> {
    let served = [CacheType::F16, CacheType::Q8_0];
    let found = served.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| "it must be f16 or q8_0".into())
}

/// The mode of that name.
///
/// # Errors
/// The names that are known.
pub fn lookup_mode(text: &str) -> Result<LookupMode, String> {
    let modes = [LookupMode::Auto, LookupMode::Off];
    let found = modes.into_iter().find(|mode| mode.name() == text);
    found.ok_or_else(|| "it must be auto or off".into())
}

/// A size of memory, at least a byte.
///
/// # Errors
/// How to write one.
pub fn memory_size(text: &str) -> Result<ByteSize, String> {
    let size = text.parse::<ByteSize>().ok();
    let size = size.filter(|size| size.as_u64() > 0);
    size.ok_or_else(|| "it must be a size of memory, for example 8G or 512MiB".into())
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=2.0).contains(&value) => Ok(value),
        _ => Err("-t is the temperature, a number from 0 to 2 (threads are --threads)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Program;
    use crate::prompt::builtin;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_of_the_original_is_understood() {
        let arguments =
            parse("./server /app/Baichuan2-13B-Chat-Q4_0.gguf -t 0.0 -n 4096").expect("valid");
        assert_eq!((arguments.temperature, arguments.max_tokens), (0.0, 4096));
        let network = &arguments.network;
        assert_eq!(
            (network.port, network.address(Program::Server)),
            (7860, "0.0.0.0")
        );
        assert_eq!(network.address(Program::SysinferServer), "127.0.0.1");
        assert_eq!(arguments.served_name(), "Baichuan2-13B-Chat-Q4_0");
    }

    #[test]
    fn types_of_the_cache_have_names() {
        let found = |line: &str| parse(line).expect(line).cache_type;
        assert_eq!(found("s m.gguf"), None);
        assert_eq!(found("s m.gguf --cache-type q8_0"), Some(CacheType::Q8_0));
    }

    #[test]
    fn lookup_has_two_modes() {
        let found = |line: &str| parse(line).expect(line).lookup;
        assert_eq!(found("s m.gguf"), None);
        assert_eq!(found("s m.gguf --lookup auto"), Some(LookupMode::Auto));
        assert_eq!(found("s m.gguf --lookup off"), Some(LookupMode::Off));
    }

    #[test]
    fn the_file_is_kept_in_memory_only_on_request() {
        let found = |line: &str| parse(line).expect(line).keep_file_cache;
        assert!(!found("s m.gguf"));
        assert!(found("s m.gguf --keep-file-cache"));
    }

    #[test]
    fn help_names_every_built_in_template() {
        let mut command = <Arguments as clap::CommandFactory>::command();
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help
            .split(|c: char| c.is_whitespace() || c == ',')
            .collect();
        for name in builtin::names().split(", ") {
            assert!(help.contains(&name), "{name} is not in the help");
        }
    }

    #[test]
    fn bad_values_name_their_flag() {
        let cases = [
            ("s m.gguf -t 88", "--threads"),
            ("s m.gguf -t -1", "temperature"),
            ("s m.gguf -t nan", "temperature"),
            ("s m.gguf -n 0", "max-tokens"),
            ("s m.gguf --threads 0", "--threads"),
            ("s m.gguf --cpus 0-", "--cpus"),
            ("s m.gguf --context 1", "--context"),
            ("s m.gguf --force-profile", "--profile"),
            ("s m.gguf --force-untrusted", "--profile"),
            ("s m.gguf --queue 0", "--queue"),
            ("s m.gguf --parallel 0", "--parallel"),
            ("s m.gguf --kv-memory 0", "8G or 512MiB"),
            ("s m.gguf --kv-memory much", "8G or 512MiB"),
            ("s m.gguf --token-gap 0", "--token-gap"),
            ("s m.gguf --cache-type q4_0", "f16 or q8_0"),
            ("s m.gguf --lookup on", "auto or off"),
            ("s m.gguf --weights ram", "auto, packed or mapped"),
            ("s m.gguf --tls-cert c.pem", "--tls-key"),
            ("s m.gguf --tls-key k.pem", "--tls-cert"),
            (
                "s m.gguf --cors-origin chat.example.com",
                "https://chat.example.com",
            ),
            ("s m.gguf --max-body 1G", "64KiB to 64MiB"),
            ("s m.gguf --max-connections 0", "--max-connections"),
            ("s m.gguf --max-connections 4097", "--max-connections"),
            ("s m.gguf --header-timeout 0", "--header-timeout"),
        ];
        for (line, wanted) in cases {
            let message = parse(line).expect_err(line).to_string();
            assert!(message.contains(wanted), "{line}: {message}");
        }
    }
}
