//! Why a profile could not be read or written. The text is for the person who edits the file.

use std::path::PathBuf;

/// What is wrong with a profile, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file could not be read.
    #[error("cannot read the profile {}: {source}; make one with: sysinfer-tune MODEL.gguf -o {}", path.display(), path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is far larger than any profile.
    #[error("{origin} is larger than {limit_bytes} bytes, so it is no profile; check the path")]
    TooLarge {
        /// File name or other origin of the text.
        origin: String,
        /// The largest profile that is read.
        limit_bytes: u64,
    },
    /// The text is not TOML, or not this schema.
    #[error("{origin}: line {line}{}: {problem}", if key.is_empty() { String::new() } else { format!(": {key}") })]
    Invalid {
        /// File name or other origin of the text.
        origin: String,
        /// Line of the offending text, from 1.
        line: usize,
        /// Dotted key (`plan.decode.threads`); empty where the text is not TOML at all.
        key: String,
        /// What is wrong with it and what it may be.
        problem: String,
    },
    /// A CPU of the plan is not one of this host's.
    #[error(
        "plan.{phase}.cpus lists CPU {cpu}, which this process may not use; allowed: {allowed}; tune again, or edit the list"
    )]
    Cpu {
        /// `decode` or `prefill`.
        phase: &'static str,
        /// The CPU that is not there.
        cpu: usize,
        /// CPUs of this process in `taskset -c` form.
        allowed: String,
    },
    /// A value that TOML cannot hold, such as an integer above 2^63 - 1.
    #[error("the profile cannot be written as TOML: {0}")]
    Render(String),
    /// The file could not be written.
    #[error("cannot write the profile {}: {source}; choose another place with -o", path.display())]
    Write {
        /// The file or its temporary neighbour.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
