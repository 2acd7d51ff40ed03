//! `export`: a profile's placement in the words of other programs, as commented text.
//!
//! None of them says all of it (two teams, kernels, block sizes, the order of workers): each form says
//! what it leaves out, so that nobody takes a part for the whole. A plan that is not to be trusted is
//! handed out with force only, and says so in every form.

mod forms;
mod placement;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_profiles::{HostMatch, Profile, matching};

use self::placement::Placement;
use crate::commands::chosen_plan;
use crate::{Ending, this_host};

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune export sysinfer-profile.toml
  sysinfer-tune export sysinfer-profile.toml --format env > sysinfer.env
  sysinfer-tune export sysinfer-profile.toml --format systemd > cpus.conf   (a drop-in for a unit of yours)
  docker run --env-file sysinfer.env ...";

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The profile
    #[arg(value_name = "PROFILE.toml")]
    pub profile: PathBuf,
    /// Print settings of a profile although its run is not to be trusted
    #[arg(long)]
    pub force_untrusted: bool,
    /// Only this form [default: all]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// A form of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// OMP_NUM_THREADS and GOMP_CPU_AFFINITY, a line each
    Env,
    /// numactl and taskset
    Shell,
    /// A drop-in file for a service
    Systemd,
    /// docker or podman
    Container,
}

/// Prints the forms that are asked for.
///
/// # Errors
/// The profile cannot be read, or is not to be trusted.
pub fn run(arguments: &ExportArgs) -> anyhow::Result<Ending> {
    let profile = Profile::load(&arguments.profile)?;
    chosen_plan::require_trusted(&profile, arguments.force_untrusted)?;
    let host = this_host::discover().ok();
    let here = host.filter(|host| matching::check(&profile, &host.info) == HostMatch::Exact);
    let topology = here.as_ref().map(|host| &host.topology);
    let placement = Placement::of(&profile, topology);
    let file = arguments.profile.display().to_string();
    print!("{}", text(&profile, &placement, &file, arguments.format));
    Ok(Ending::Complete)
}

fn text(profile: &Profile, placement: &Placement, file: &str, format: Option<Format>) -> String {
    let one_line = |text: &str| text.replace(char::is_control, " ");
    let mut lines = vec![
        format!(
            "# {} on {}",
            one_line(&profile.model.name),
            one_line(&profile.host.cpu_model)
        ),
        format!(
            "# from {}, made {}",
            one_line(file),
            one_line(&profile.created.date)
        ),
    ];
    if let Some(why) = profile.distrust() {
        lines.insert(0, format!("# {NOT_TO_BE_TRUSTED}: {why}."));
    }
    let all = [
        (
            Format::Env,
            forms::env as fn(&Placement, &str) -> Vec<String>,
        ),
        (Format::Shell, forms::shell),
        (Format::Systemd, forms::systemd),
        (Format::Container, forms::container),
    ];
    for (this, render) in all {
        if format.is_none_or(|format| format == this) {
            lines.push(String::new());
            lines.extend(render(placement, file));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
