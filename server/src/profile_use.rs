//! What becomes of `--profile`: refused if it is of another host, set aside if it is not to be trusted, run
//! otherwise. Who runs the server is told once, and `/props` shows it for as long as the server runs.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Serialize;
use sysinfer_engine::{MemoryPlan, Plan};
use sysinfer_machine::HostInfo;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_profiles::{HostMatch, Profile, matching};

/// What a profile may be forced to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Force {
    /// `--force-profile`: run it although it is of another host.
    pub host: bool,
    /// `--force-untrusted`: run it although its run is not to be trusted.
    pub untrusted: bool,
}

/// A profile that was read, and what is done by it.
#[derive(Clone, Debug)]
pub struct ProfileUse {
    profile: Profile,
    /// For `/props`.
    pub shown: Shown,
}

/// What `/props` says of the profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The file.
    pub path: PathBuf,
    /// Whether the run that made it is to be trusted.
    pub trusted: bool,
    /// Why not, if so.
    pub not_trusted_because: Option<String>,
    /// Whether its plan is run; else the default is.
    pub applied: bool,
}

impl ProfileUse {
    /// Reads a profile for this host; says in the log what should be known about it.
    ///
    /// # Errors
    /// It cannot be read, or is of another host and not forced.
    pub fn load(path: &Path, host: &HostInfo, force: Force) -> anyhow::Result<Self> {
        let profile = Profile::load(path)?;
        for notice in matching::notices(&profile, host) {
            tracing::info!("profile: {notice}");
        }
        check_host(&profile, host, path, force.host)?;
        let used = Self::new(profile, path, force);
        if let Some(warning) = used.warning() {
            tracing::warn!("{warning}");
        }
        Ok(used)
    }

    fn new(profile: Profile, path: &Path, force: Force) -> Self {
        let why = profile.distrust();
        let shown = Shown {
            path: path.into(),
            trusted: why.is_none(),
            applied: why.is_none() || force.untrusted,
            not_trusted_because: why,
        };
        Self { profile, shown }
    }

    /// The plan to run; `None`: the default is to be run.
    pub fn plan(&self) -> Option<&Plan> {
        self.shown.applied.then_some(&self.profile.plan)
    }

    /// What it asks for and nobody measured, where its plan is not run: pages, and where weights are.
    pub fn wishes(&self) -> Option<&MemoryPlan> {
        (!self.shown.applied).then_some(&self.profile.plan.memory)
    }

    /// The profile, if its plan is run.
    pub fn applied(&self) -> Option<&Profile> {
        self.shown.applied.then_some(&self.profile)
    }

    fn warning(&self) -> Option<String> {
        let why = self.shown.not_trusted_because.as_ref()?;
        let path = self.shown.path.display();
        Some(match self.shown.applied {
            false => format!(
                "{path} is {NOT_TO_BE_TRUSTED}: {why}. The default plan is run instead; tune again on a quiet host \
                 (sysinfer-tune MODEL.gguf), or run the profile's plan all the same with --force-untrusted"
            ),
            true => format!(
                "{path} is {NOT_TO_BE_TRUSTED}: {why}. Its plan is run by --force-untrusted; tune again on a quiet \
                 host (sysinfer-tune MODEL.gguf)"
            ),
        })
    }
}

/// Refuses a profile that was measured elsewhere, unless forced.
fn check_host(profile: &Profile, host: &HostInfo, path: &Path, force: bool) -> anyhow::Result<()> {
    let HostMatch::Different(differences) = matching::check(profile, host) else {
        return Ok(());
    };
    let lines: Vec<String> = differences
        .iter()
        .map(|difference| format!("  {difference}"))
        .collect();
    let lines = lines.join("\n");
    if !force {
        bail!(
            "{} was measured on another host:\n{lines}\ntune again here (sysinfer-tune MODEL.gguf), or use it all the same with --force-profile",
            path.display()
        );
    }
    tracing::warn!(
        "{} was measured on another host, and is used by --force-profile:\n{lines}",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"
        schema = 1
        created = { date = "2026-01-02T03:04:05Z", version = "0.1.0", command = "sysinfer-tune m.gguf" }
        host = { cpu_model = "Example", architecture = "aarch64", topology = "t", packages = 1, nodes = 1, cores = 2, cpus = 2, memory_bytes = 1, page_bytes = 4096, kernel = "6.6", huge_pages = "always" }
        model = { name = "m", architecture = "llama", quantisation = "Q4_0", fingerprint = "f", parameters = 1, weight_bytes = 1, decode_bytes = 1, kv_bytes_per_position = 1, context_length = 1 }
        [plan]
        decode = { threads = 1, map = "compact", cpus = [0] }
        prefill = { threads = 1, map = "compact", cpus = [0] }
        memory = { weights = "mapped" }
        [evidence]
        gain_decode = 3.2
        gain_prefill = 1.0
        prompt_tokens = 16
        samples = 281
    "#;

    fn used(more: &str, untrusted: bool) -> ProfileUse {
        let text = format!("{PROFILE}{more}\n");
        let profile = Profile::parse(&text, "test").expect("a profile");
        let force = Force {
            host: false,
            untrusted,
        };
        ProfileUse::new(profile, Path::new("p.toml"), force)
    }

    #[test]
    fn a_profile_that_is_not_to_be_trusted_is_set_aside_with_a_warning_unless_forced() {
        // One of before trust was recorded is judged by its counts.
        let cases = [
            ("void_samples = 0", true),
            ("trusted = true", true),
            ("void_samples = 280", false),
            (
                "trusted = false\nnot_trusted_because = \"280 of 281 samples\"",
                false,
            ),
        ];
        for (more, trusted) in cases {
            for forced in [false, true] {
                let used = used(more, forced);
                let applied = trusted || forced;
                assert_eq!(
                    (used.shown.trusted, used.shown.applied),
                    (trusted, applied),
                    "{more}"
                );
                assert_eq!(used.plan().is_some(), applied, "{more}");
                assert_eq!(used.applied().is_some(), applied, "{more}");
                assert_eq!(used.warning().is_some(), !trusted, "{more}");
                let warning = used.warning().unwrap_or_default();
                assert!(
                    trusted || warning.contains("p.toml is NOT TO BE TRUSTED: 280 of 281"),
                    "{warning}"
                );
                assert!(
                    trusted || warning.contains("--force-untrusted"),
                    "{warning}"
                );
            }
        }
    }

    #[test]
    fn what_nobody_measured_is_kept_of_a_profile_that_is_set_aside() {
        let memory = |forced| used("trusted = false", forced).wishes().cloned();
        assert_eq!(
            memory(false).map(|memory| memory.weights.name()),
            Some("mapped")
        );
        assert_eq!(memory(true), None, "it is part of the plan");
    }

    #[test]
    fn props_say_why() {
        let shown = serde_json::to_value(&used("void_samples = 280", false).shown);
        let expected = serde_json::json!({
            "path": "p.toml",
            "trusted": false,
            "not_trusted_because": "280 of 281 samples (100 %) were disturbed",
            "applied": false,
        });
        assert_eq!(shown.expect("plain data"), expected);
    }
}
