//! The only file that reads environment variables, beside `service_manager`, where those of sd_notify(3) are:
//! what they may say, and what it means here.
//!
//! The OpenMP names are those of the original's guide; their meaning follows libgomp's manual.

use std::ffi::OsString;

use sysinfer_engine::{CacheType, WeightStorage};
use sysinfer_machine::{CpuList, Runner};

use crate::cli::{self, LookupMode};

/// Name of the variable for the type of the cache.
pub const CACHE_TYPE: &str = "SYSINFER_CACHE_TYPE";
/// Name of the variable for where weights are.
pub const WEIGHTS: &str = "SYSINFER_WEIGHTS";
/// Name of the variable for the mode of lookup.
pub const LOOKUP: &str = "SYSINFER_LOOKUP";

/// Name of the variable that leaves the file in the page cache.
pub const KEEP_FILE_CACHE: &str = "SYSINFER_KEEP_FILE_CACHE";

/// Environment variables that matter, parsed. A variable that is set but empty counts as unset.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `OMP_NUM_THREADS`, the first of a comma list: the outermost level of parallelism.
    pub threads: Option<usize>,
    /// `GOMP_CPU_AFFINITY`.
    pub cpus: Option<CpuList>,
    /// `OMP_PROC_BIND=false`: threads stay unpinned.
    pub binding_off: bool,
    /// `SYSINFER_CACHE_TYPE`.
    pub cache_type: Option<CacheType>,
    /// `SYSINFER_LOOKUP`.
    pub lookup: Option<LookupMode>,
    /// `SYSINFER_WEIGHTS`.
    pub weights: Option<WeightStorage>,
    /// `SYSINFER_KEEP_FILE_CACHE`.
    pub keep_file_cache: Option<bool>,
    /// `SYSINFER_API_KEY`.
    pub api_key: Option<String>,
    /// `SYSINFER_LOG`.
    pub log_filter: Option<String>,
    /// `SYSINFER_RUNNER`.
    pub runner: Runner,
}

/// A variable with a value that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}=\"{value}\": {problem}; for example {name}={example}")]
pub struct EnvironmentError {
    name: &'static str,
    value: String,
    problem: String,
    example: &'static str,
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// The first variable whose value cannot be used, with an example of one that can.
    pub fn of_process() -> Result<Self, EnvironmentError> {
        Self::read(|name| std::env::var_os(name))
    }

    /// Reads the variables through `variable`.
    ///
    /// # Errors
    /// As [`Environment::of_process`].
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let get = |name: &'static str, example: &'static str| text(name, example, variable(name));
        let threads = get("OMP_NUM_THREADS", "8")?.map(threads).transpose()?;
        let cpus = get("GOMP_CPU_AFFINITY", "0-3,8-11")?
            .map(cpus)
            .transpose()?;
        let binding_off = get("OMP_PROC_BIND", "false")?
            .map(binding_off)
            .transpose()?;
        let cache_type = get(CACHE_TYPE, "q8_0")?.map(cache_type).transpose()?;
        let lookup = get(LOOKUP, "off")?.map(lookup).transpose()?;
        let weights = get(WEIGHTS, "mapped")?.map(weights).transpose()?;
        let keep_file_cache = get(KEEP_FILE_CACHE, "true")?
            .map(keep_file_cache)
            .transpose()?;
        Ok(Self {
            keep_file_cache,
            threads,
            cpus,
            cache_type,
            weights,
            lookup,
            binding_off: binding_off.unwrap_or(false),
            api_key: get("SYSINFER_API_KEY", "sk-something")?,
            log_filter: get("SYSINFER_LOG", "info")?,
            runner: variable(Runner::VARIABLE)
                .map_or_else(Runner::default, |text| Runner::new(&text)),
        })
    }
}

fn text(
    name: &'static str,
    example: &'static str,
    value: Option<OsString>,
) -> Result<Option<String>, EnvironmentError> {
    let Some(value) = value else { return Ok(None) };
    match value.into_string() {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_string())),
        Err(raw) => Err(EnvironmentError {
            name,
            value: raw.to_string_lossy().into_owned(),
            problem: "it is not UTF-8".into(),
            example,
        }),
    }
}

fn threads(value: String) -> Result<usize, EnvironmentError> {
    let first = value.split(',').next().unwrap_or_default().trim();
    match first.parse::<usize>() {
        Ok(threads) if (1..=4096).contains(&threads) => Ok(threads),
        _ => Err(EnvironmentError {
            name: "OMP_NUM_THREADS",
            problem: "it must be a number of threads from 1 to 4096".into(),
            value,
            example: "8",
        }),
    }
}

fn cpus(value: String) -> Result<CpuList, EnvironmentError> {
    value.parse::<CpuList>().map_err(|error| EnvironmentError {
        name: "GOMP_CPU_AFFINITY",
        problem: error.to_string(),
        value,
        example: "0-3,8-11",
    })
}

fn cache_type(value: String) -> Result<CacheType, EnvironmentError> {
    cli::cache_type(&value).map_err(|problem| EnvironmentError {
        name: CACHE_TYPE,
        value,
        problem,
        example: "q8_0",
    })
}

fn lookup(value: String) -> Result<LookupMode, EnvironmentError> {
    cli::lookup_mode(&value).map_err(|problem| EnvironmentError {
        name: LOOKUP,
        value,
        problem,
        example: "off",
    })
}

fn weights(value: String) -> Result<WeightStorage, EnvironmentError> {
    value.parse().map_err(|error| EnvironmentError {
        name: WEIGHTS,
        problem: format!("{error}"),
        value,
        example: "mapped",
    })
}

fn keep_file_cache(value: String) -> Result<bool, EnvironmentError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(EnvironmentError {
            name: KEEP_FILE_CACHE,
            problem: "it must be true or false".into(),
            value,
            example: "true",
        }),
    }
}

/// Only `false` changes anything: threads are pinned by default, and the plan says where.
fn binding_off(value: String) -> Result<bool, EnvironmentError> {
    let first = value
        .split(',')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match first.as_str() {
        "false" => Ok(true),
        "true" | "close" | "spread" | "master" | "primary" => Ok(false),
        _ => Err(EnvironmentError {
            name: "OMP_PROC_BIND",
            problem: "it must be true, false, close, spread, primary or master".into(),
            value,
            example: "false",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name);
        Environment::read(|name| find(name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_guide_s_values_are_read() {
        let guide = "0-21,24-45,48-69,72-93";
        let found =
            read(&[("OMP_NUM_THREADS", "88"), ("GOMP_CPU_AFFINITY", guide)]).expect("valid");
        assert_eq!(found.threads, Some(88));
        assert_eq!(found.cpus.map(|list| list.as_slice().len()), Some(88));
        assert!(!found.binding_off);
    }

    #[test]
    fn lists_levels_and_case_follow_openmp() {
        assert_eq!(
            read(&[("OMP_NUM_THREADS", " 4,2 ")])
                .expect("valid")
                .threads,
            Some(4)
        );
        assert_eq!(
            read(&[("OMP_NUM_THREADS", "  ")]).expect("valid").threads,
            None
        );
        for (value, off) in [("FALSE", true), ("true", false), ("spread,close", false)] {
            assert_eq!(
                read(&[("OMP_PROC_BIND", value)]).expect(value).binding_off,
                off,
                "{value}"
            );
        }
    }

    #[test]
    fn the_file_cache_is_kept_on_request() {
        for (value, kept) in [
            ("", None),
            ("0", Some(false)),
            ("True", Some(true)),
            ("1", Some(true)),
        ] {
            let found = read(&[("SYSINFER_KEEP_FILE_CACHE", value)]).expect(value);
            assert_eq!(found.keep_file_cache, kept, "{value}");
        }
    }

    #[test]
    fn a_runner_s_words_are_kept() {
        let found = read(&[("SYSINFER_RUNNER", "qemu-aarch64  -L /usr/arm")]).expect("valid");
        assert_eq!(
            found.runner,
            Runner::new("qemu-aarch64 -L /usr/arm".as_ref())
        );
        assert!(
            read(&[("SYSINFER_RUNNER", " ")])
                .expect("blank")
                .runner
                .is_none()
        );
    }

    #[test]
    fn bad_values_name_variable_value_and_example() {
        let cases = [
            ("OMP_NUM_THREADS", "many", "=8"),
            ("OMP_NUM_THREADS", "0", "=8"),
            ("OMP_NUM_THREADS", "-3", "=8"),
            ("OMP_NUM_THREADS", "99999999999999999999", "=8"),
            ("GOMP_CPU_AFFINITY", "0-", "=0-3"),
            ("GOMP_CPU_AFFINITY", "0-99999999999", "=0-3"),
            ("OMP_PROC_BIND", "yes", "=false"),
            ("SYSINFER_CACHE_TYPE", "f8", "=q8_0"),
            ("SYSINFER_LOOKUP", "on", "=off"),
            ("SYSINFER_KEEP_FILE_CACHE", "perhaps", "=true"),
            ("SYSINFER_WEIGHTS", "mmap", "auto, packed or mapped"),
        ];
        for (name, value, example) in cases {
            let message = read(&[(name, value)]).expect_err(value).to_string();
            for part in [name, value, example] {
                assert!(message.contains(part), "{message} lacks {part}");
            }
        }
    }
}
