//! The forms, one function each: comments that say what a form means and lacks, then its lines.

use std::path::Path;

use super::placement::Placement;
use crate::tune::shell::quoted;

/// Said wherever variables are printed.
const ONLY_PLACEMENT: &str =
    "# Variables say threads and CPUs only: kernels and block sizes need the profile itself.";

/// The variables with their values.
fn variables(placement: &Placement) -> Vec<(&'static str, String)> {
    let mut variables = vec![("OMP_NUM_THREADS", placement.decode.threads.to_string())];
    match &placement.decode.cpus {
        Some(cpus) => variables.push(("GOMP_CPU_AFFINITY", cpus.clone())),
        None => variables.push(("OMP_PROC_BIND", "false".into())),
    }
    variables
}

/// What one team for both phases loses.
fn lost_team(placement: &Placement) -> Option<String> {
    let prefill = placement.prefill.as_ref()?;
    Some(format!(
        "# They know one team: that of decoding ({}). Prompts had {}; only --profile gives both, where they are not set.",
        placement.decode.words(),
        prefill.words()
    ))
}

/// `KEY=VALUE` lines as `--env-file`, `EnvironmentFile=` and shells read them.
pub(super) fn env(placement: &Placement, _file: &str) -> Vec<String> {
    let mut lines = vec![
        "# Environment: read by sysinfer-server (over --profile) and by programs built with GNU OpenMP.".to_owned(),
        ONLY_PLACEMENT.into(),
    ];
    lines.extend(lost_team(placement));
    lines.extend(
        variables(placement)
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    lines
}

/// The server's arguments; inside a smaller set of CPUs the host looks like another one.
fn server(placement: &Placement, file: &str) -> String {
    let options = [
        (placement.is_part, " --force-profile"),
        (!placement.is_trusted, " --force-untrusted"),
    ];
    let forced = options.iter().filter(|(needed, _)| *needed);
    let forced: String = forced.map(|(_, option)| *option).collect();
    format!(
        "sysinfer-server MODEL.gguf --profile {}{forced}",
        quoted(file)
    )
}

fn why_force(placement: &Placement) -> Option<String> {
    placement.is_part.then(|| {
        "# Inside the smaller set of CPUs the host differs from the profile's, hence --force-profile.".into()
    })
}

/// Lines about nodes that are not known.
fn unknown_nodes(placement: &Placement) -> Option<String> {
    placement
        .nodes
        .as_ref()
        .err()
        .map(|why| format!("# Memory is not bound: {why}."))
}

/// numactl for the server with its profile, and variables for others.
pub(super) fn shell(placement: &Placement, file: &str) -> Vec<String> {
    let mut lines = vec![
        "# Shell: numactl confines all threads to a set of CPUs; which thread has which CPU, the profile says.".to_owned(),
    ];
    lines.extend(why_force(placement));
    lines.extend(unknown_nodes(placement));
    let bound = placement
        .nodes
        .as_ref()
        .ok()
        .map(|nodes| format!(" --membind={nodes}"));
    let bound = bound.unwrap_or_default();
    let server = server(placement, file);
    match &placement.set {
        Some(cpus) => {
            lines.push(format!("numactl --physcpubind={cpus}{bound} {server}"));
            lines.push(
                "# The same without numactl; memory is then bound by the server alone:".into(),
            );
            lines.push(format!("taskset -c {cpus} {server}"));
        }
        None => {
            lines.push(
                "# A team is not pinned, so there is no set of CPUs to confine it to.".into(),
            );
            lines.push(server);
        }
    }
    lines.push("# Another program that uses GNU OpenMP, with the team of decoding:".into());
    let variables = variables(placement);
    let variables: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    lines.push(format!("{} PROGRAM", variables.join(" ")));
    lines
}

/// Variables of a service; switched off where they would cost a profile in `ExecStart` its second team.
fn environment(placement: &Placement) -> Vec<String> {
    let (off, why) = match placement.prefill {
        Some(_) => (
            "#",
            "# They stand over --profile, for both phases: take the # away only where ExecStart has no --profile.",
        ),
        None => ("", "# They stand over --profile."),
    };
    let variables = variables(placement).into_iter();
    let lines = variables.map(|(name, value)| format!("{off}Environment={name}={value}"));
    std::iter::once(why.to_owned()).chain(lines).collect()
}

/// A drop-in for a unit.
pub(super) fn systemd(placement: &Placement, _file: &str) -> Vec<String> {
    let mut lines = vec![
        "# systemd: a drop-in, for example /etc/systemd/system/sysinfer-server.service.d/cpus.conf"
            .to_owned(),
        ONLY_PLACEMENT.into(),
    ];
    lines.extend(lost_team(placement));
    lines.push("[Service]".into());
    lines.extend(environment(placement));
    let Some(cpus) = &placement.set else {
        lines.push(
            "# A team is not pinned, so there is no set of CPUs to confine the service to.".into(),
        );
        return lines;
    };
    lines.push("# The set that the service may use: cgroup v2's cpuset, then plain affinity for older systems.".into());
    lines.push(
        "# The HTTP threads share it with the teams; a CPU more gives them one of their own."
            .into(),
    );
    if placement.is_part {
        lines.push("# With --profile in ExecStart, add --force-profile: inside the set, the host looks smaller.".into());
    }
    lines.push(format!("AllowedCPUs={cpus}"));
    lines.push(format!("CPUAffinity={cpus}"));
    match &placement.nodes {
        Ok(nodes) => {
            lines.push(format!("AllowedMemoryNodes={nodes}"));
            lines.push("NUMAPolicy=bind".into());
            lines.push(format!("NUMAMask={nodes}"));
        }
        Err(_) => lines.extend(unknown_nodes(placement)),
    }
    lines
}

/// Options of docker and podman, which are the same.
pub(super) fn container(placement: &Placement, file: &str) -> Vec<String> {
    let mut lines = vec![
        "# Container: docker and podman take the same options; a cpuset says which CPUs, not which thread.".to_owned(),
    ];
    lines.extend(why_force(placement));
    lines.extend(unknown_nodes(placement));
    lines.push(
        "# SYS_NICE lets the server bind memory to nodes (mbind), which docker forbids otherwise."
            .into(),
    );
    let cpus = placement
        .set
        .as_ref()
        .map(|cpus| format!(" --cpuset-cpus={cpus}"));
    let nodes = placement
        .nodes
        .as_ref()
        .ok()
        .map(|nodes| format!(" --cpuset-mems={nodes}"));
    let options = format!("{}{}", cpus.unwrap_or_default(), nodes.unwrap_or_default());
    lines.push("# Model and profile are taken from the present directory.".into());
    let file = Path::new(file)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let server = server(placement, &file);
    let mount = "-v \"$PWD\":/models:ro -w /models -p 7860:7860";
    for program in ["docker", "podman"] {
        lines.push(format!(
            "{program} run{options} --cap-add=SYS_NICE {mount} IMAGE {}",
            server
        ));
    }
    lines
}
