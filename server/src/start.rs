//! From the command line to a serving process: what happens, in order, before the first request.
//!
//! Topology, profile and environment make the plan; the socket is bound and answers "loading" while
//! the engine thread loads the model; that thread then drives the engine for good. Every failure on
//! the way is one line that says what to do, and exit code 1.

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use sysinfer_engine::Precision;
use sysinfer_engine::error::whole;
use sysinfer_machine::{
    Claim, FileMap, Neighbours, PinGuard, Topology, effective_cpus, host_info, settle,
};
use sysinfer_profiles::matching;
use sysinfer_profiles::serving::TOKEN_GAP_MS;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::backend::capacity::{DEFAULT_PARALLEL, Wishes};
use crate::backend::load::{LoadRequest, load};
use crate::cli::Arguments;
use crate::connections::Limits;
use crate::cors::Origins;
use crate::environment::{CACHE_TYPE, Environment, LOOKUP};
use crate::http_threads::{keep_on, runtime, spare_cpus};
use crate::keys::Keys;
use crate::listen;
use crate::observe::AccessLog;
use crate::plan_choice::{Asked, PlanChoice, Sources, choose};
use crate::profile_use::{Force, ProfileUse};
use crate::program::Program;
use crate::prompt::sandbox;
use crate::reload::Reload;
use crate::render::unix_seconds;
use crate::scheduler::worker;
use crate::serve::{Ended, Setup, serve};
use crate::service_manager;
use crate::serving::{Limit, MeasuredSteps};
use crate::state::{ServerState, Settings};
use crate::validate::Defaults;

/// Runs the server as the command line says. Both programs are this function, and so is the process
/// that a server starts to render templates.
pub fn run(program: Program) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == sandbox::ARGUMENT)
    {
        return sandbox::child::run();
    }
    match start(Arguments::parse(), program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", whole(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments, program: Program) -> anyhow::Result<()> {
    let environment = Environment::of_process()?;
    init_log(environment.log_filter.as_deref())?;
    // What is wrong inside the file is said when it is loaded; that there is none, before a port is taken.
    drop(FileMap::open(&arguments.model)?);
    let network = &arguments.network;
    let keys = listen::keys(network, environment.api_key.clone())?;
    let tls = listen::tls(network)?;
    let topology = this_host()?;
    let force = Force {
        host: arguments.force_profile,
        untrusted: arguments.force_untrusted,
    };
    let profile = arguments
        .profile
        .as_deref()
        .map(|path| ProfileUse::load(path, &host_info(&topology), force));
    let profile = profile.transpose()?;
    // The claim on CPUs ends with the process.
    let (mut choice, _claim) = plan(&arguments, &environment, profile.as_ref(), &topology)?;
    let (given, under) = (arguments.cache_type, environment.cache_type);
    let (cache, cache_note) = CACHE_TYPE_SETTING.choose(given, under, |cache| cache.name());
    let (given, under) = (arguments.lookup, environment.lookup);
    let (lookup, lookup_note) = LOOKUP_SETTING.choose(given, under, |mode| mode.name());
    for note in [cache_note, lookup_note].into_iter().flatten() {
        tracing::info!("{note}");
        choice.notes.push(note);
    }
    if !environment.runner.is_none() {
        tracing::warn!(
            "chat templates are rendered by {}; an emulator may not keep their limit of memory",
            environment.runner
        );
    }
    let spare = spare_cpus(&choice.plan, &topology);
    // Its last lines are written at the end of this function.
    let (access_log, _written) = listen::access_log(network.access_log.as_deref(), &spare)?.unzip();
    let settings = settings(&arguments, Arc::clone(&keys), access_log.clone())?;
    let listener = listen::bind(network, program)?;
    listen::announce(&listener, tls.is_some(), &keys)?;
    service_manager::loading();
    let state = ServerState::new(settings);
    let connections = network.max_connections.map(|count| count as usize);
    let (limits, drain_timeout) = (
        Limits::of_process(connections, network.head()),
        network.drain(),
    );
    let runtime = runtime(spare.clone()).context("cannot start the HTTP threads")?;
    state
        .watch_rate(spare.clone())
        .context("cannot start the thread that measures")?;
    let applied = profile.as_ref().and_then(ProfileUse::applied);
    let serving = applied.and_then(|profile| profile.serving.as_ref());
    let request = LoadRequest {
        model: arguments.model,
        plan: choice.plan,
        precision: Precision::with_cache(cache),
        topology,
        lookup,
        capacity: Wishes {
            context: arguments.context.map(|tokens| tokens as usize),
            parallel: Limit::choose(
                arguments.parallel.map(|requests| requests as usize),
                serving.map(|serving| serving.parallel),
                DEFAULT_PARALLEL,
            ),
            kv_memory: arguments.kv_memory,
        },
        token_gap_ms: Limit::choose(
            arguments.token_gap,
            serving.map(|serving| serving.token_gap_ms),
            TOKEN_GAP_MS,
        ),
        measured: applied.map(MeasuredSteps::from).unwrap_or_default(),
        chat_template: arguments.chat_template,
        runner: environment.runner,
        profile: profile.as_ref().map(|profile| profile.shown.clone()),
        notes: choice.notes,
    };
    let engine_end = spawn_engine(Arc::clone(&state), request, profile)?;
    let reload = Reload {
        keys,
        tls: tls.clone(),
        access_log,
    };
    // This thread accepts connections; the engine's, which it has started, is not held to this.
    keep_on(&spare);
    let ended = runtime.block_on(async {
        let setup = Setup {
            state,
            listener: tokio::net::TcpListener::from_std(listener)?,
            limits,
            tls,
            drain_timeout,
        };
        serve(setup, engine_end, reload).await
    });
    // Threads in the middle of something end with the process.
    runtime.shutdown_background();
    match ended.context("serving failed")? {
        Ended::Drained => tracing::info!("stopped"),
        Ended::CutOff => {
            tracing::warn!(
                "stopped with requests cut off, after --drain-timeout or a second signal"
            );
        }
        Ended::EngineLost(reason) => bail!(reason),
    }
    Ok(())
}

fn init_log(filter: Option<&str>) -> anyhow::Result<()> {
    let filter = filter.unwrap_or("info");
    let parsed = EnvFilter::try_new(filter).with_context(|| {
        format!("environment variable SYSINFER_LOG=\"{filter}\"; for example SYSINFER_LOG=debug")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_target(false);
    // What cannot be logged is lost: a complaint about it on the same closed pipe would panic in the
    // middle of an answer.
    let log = log.log_internal_errors(false);
    // Colours are for people; files and journals get plain text.
    let log = log
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    log.try_init()
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// The topology of this host; without hwloc's help, all that the process may use, as one node.
fn this_host() -> anyhow::Result<Topology> {
    let (topology, failure) = Topology::discover_or_flat()
        .context("unset HWLOC_SYNTHETIC and HWLOC_XMLFILE to serve here")?;
    if let Some(error) = failure {
        tracing::warn!(%error, "no topology: CPUs are taken as one node");
    }
    if !topology.is_this_host {
        bail!(
            "the topology is that of another host ({}); unset HWLOC_SYNTHETIC and HWLOC_XMLFILE to serve here",
            topology.source
        );
    }
    Ok(topology)
}

fn plan(
    arguments: &Arguments,
    environment: &Environment,
    profile: Option<&ProfileUse>,
    topology: &Topology,
) -> anyhow::Result<(PlanChoice, Option<Claim>)> {
    let sources = Sources {
        command: Asked {
            threads: arguments.threads.map(|threads| threads as usize),
            cpus: arguments.cpus.clone(),
            weights: arguments.weights,
            keep_file_cache: arguments.keep_file_cache.then_some(true),
        },
        environment: Asked {
            threads: environment.threads,
            cpus: environment.cpus.clone(),
            weights: environment.weights,
            keep_file_cache: environment.keep_file_cache,
        },
        binding_off: environment.binding_off,
        profile: profile.and_then(ProfileUse::plan).cloned(),
        memory: profile.and_then(ProfileUse::wishes).cloned(),
    };
    let effective_cpus = effective_cpus(topology);
    let look = || Neighbours::of_this_host(topology);
    let pick = |neighbours: &Neighbours| {
        choose(&sources, topology, effective_cpus, neighbours).map(PlanChoice::picked)
    };
    let (mut choice, claim) = settle(look, pick)?;
    tracing::info!("host: {}", topology.summary());
    match profile.map(|profile| &profile.shown) {
        Some(shown) if shown.applied => tracing::info!("profile: {}", shown.path.display()),
        Some(_) => tracing::info!("profile: not run; the plan is the default"),
        None => tracing::info!("profile: none; sysinfer-tune makes one for this host"),
    }
    for note in &choice.notes {
        tracing::info!("{note}");
    }
    for warning in &choice.warnings {
        tracing::warn!("{warning}");
    }
    choice.notes.extend(choice.warnings.iter().cloned());
    Ok((choice, claim))
}

/// A choice that the command line or the environment may make, by its names.
struct Setting {
    what: &'static str,
    flag: &'static str,
    variable: &'static str,
}

const CACHE_TYPE_SETTING: Setting = Setting {
    what: "cache type",
    flag: "--cache-type",
    variable: CACHE_TYPE,
};
const LOOKUP_SETTING: Setting = Setting {
    what: "lookup",
    flag: "--lookup",
    variable: LOOKUP,
};

impl Setting {
    /// What holds, and what was overridden.
    fn choose<T: Copy + Default + PartialEq>(
        &self,
        command: Option<T>,
        environment: Option<T>,
        name: impl Fn(T) -> &'static str,
    ) -> (T, Option<String>) {
        let Setting {
            what,
            flag,
            variable,
        } = self;
        let chosen = command.or(environment).unwrap_or_default();
        let overridden = environment.filter(|under| *under != chosen);
        let note = overridden.map(|under| {
            let (chosen, under) = (name(chosen), name(under));
            format!("{what}: {chosen} from {flag}, over {under} from {variable}")
        });
        (chosen, note)
    }
}

fn settings(
    arguments: &Arguments,
    api_keys: Arc<Keys>,
    access_log: Option<AccessLog>,
) -> anyhow::Result<Settings> {
    let network = &arguments.network;
    Ok(Settings {
        model_name: arguments.served_name(),
        api_keys,
        defaults: Defaults {
            temperature: arguments.temperature,
            max_tokens: arguments.max_tokens as usize,
        },
        created: unix_seconds(),
        queue_limit: arguments.queue as usize,
        origins: Origins::of(network.cors_origins.clone()).map_err(anyhow::Error::msg)?,
        max_body_bytes: network.max_body.as_u64() as usize,
        access_log,
    })
}

/// Starts the thread that loads the model and then drives the engine until the queue is closed.
fn spawn_engine(
    state: Arc<ServerState>,
    request: LoadRequest,
    profile: Option<ProfileUse>,
) -> anyhow::Result<oneshot::Receiver<Result<(), String>>> {
    let (ended, engine_end) = oneshot::channel();
    let drive = move || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            drive(&state, &request, profile.as_ref())
        }));
        let result = result.unwrap_or_else(|_| {
            Err("the engine thread panicked; the lines above say where".into())
        });
        match result {
            // Closed on request: the end of the HTTP side ends the process.
            Ok(()) => std::mem::forget(ended),
            Err(reason) => {
                state.set_failed();
                // Nobody listens only when the process is ending anyway.
                let _ = ended.send(Err(reason));
            }
        }
    };
    std::thread::Builder::new()
        .name("sysinfer-engine".into())
        .spawn(drive)
        .context("cannot start the engine thread")?;
    Ok(engine_end)
}

fn drive(
    state: &ServerState,
    request: &LoadRequest,
    profile: Option<&ProfileUse>,
) -> Result<(), String> {
    let mut loaded = load(request).map_err(|error| error.to_string())?;
    for notice in profile
        .and_then(ProfileUse::applied)
        .into_iter()
        .flat_map(|profile| matching::check_model(profile, &loaded.info))
    {
        tracing::warn!("profile: {notice}");
    }
    for line in &loaded.summary {
        tracing::info!("{line}");
    }
    let (most, context) = (
        state.settings.defaults.max_tokens,
        loaded.model.context_tokens,
    );
    if most >= context {
        tracing::info!("-n {most}: answers end where the context of {context} tokens is full");
    }
    state.set_ready(loaded.model);
    service_manager::ready("serving");
    tracing::info!(
        "ready: model {} at /v1/chat/completions",
        state.settings.model_name
    );
    // Loading is over, and this thread only leads the team from now on: where it stands between two
    // steps already, no step has to move it there. A refusal is in the plan's lines above.
    let cpu = request.plan.decode.cpus.first();
    let _pin = cpu.and_then(|cpu| PinGuard::new(*cpu).ok());
    worker::run(&mut loaded.backend, &state.queue);
    Ok(())
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::CacheType;

    use super::*;

    #[test]
    fn the_command_line_wins_over_the_environment() {
        use CacheType::{F16, Q8_0};
        let cache_type = |command, environment| {
            CACHE_TYPE_SETTING.choose(command, environment, |cache: CacheType| cache.name())
        };
        assert_eq!(cache_type(None, None), (F16, None));
        assert_eq!(cache_type(None, Some(Q8_0)), (Q8_0, None));
        assert_eq!(cache_type(Some(Q8_0), None), (Q8_0, None));
        let (chosen, note) = cache_type(Some(F16), Some(Q8_0));
        let wanted = "cache type: f16 from --cache-type, over q8_0 from SYSINFER_CACHE_TYPE";
        assert_eq!((chosen, note.as_deref()), (F16, Some(wanted)));
    }
}
