//! `load`: drives any server of the OpenAI API and reports what its users would see.

pub mod arguments;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use hyper::header::HeaderValue;
use sysinfer_load::arrivals::Arrivals;
use sysinfer_load::client::{Client, Connect, Failure, Tcp};
use sysinfer_load::drive::{Driven, Load, drive, interrupted};
use sysinfer_load::output::{self, Lines, Run};
use sysinfer_load::prompts::{Prompts, Wish, body};
use sysinfer_load::record::Record;
use sysinfer_load::summary::{Collected, Targets};
use sysinfer_probe::Progress;

use self::arguments::{LoadArgs, MOST_REQUESTS, USUAL_REQUESTS};
use crate::progress::Terminal;
use crate::{Ending, interrupt};

/// Drives the server and prints.
///
/// # Errors
/// Arguments that cannot be followed, a server that cannot be reached or that answers none of the
/// requests, files that cannot be read or written.
pub fn run(arguments: &LoadArgs) -> anyhow::Result<Ending> {
    let prompts = match &arguments.prompts {
        Some(path) => Prompts::load(path, arguments.endpoint)?,
        None => Prompts::Random {
            words: arguments.prompt_tokens,
            seed: arguments.seed,
        },
    };
    let lines = arguments.csv.as_deref().map(Lines::create).transpose()?;
    let client = Client {
        connector: Tcp::new(&arguments.url),
        address: arguments.url.clone(),
        authorization: authorization(arguments)?,
        timeout: Duration::from_secs(arguments.timeout.into()),
    };
    let interrupt = interrupt::install()?;
    // One thread: what the client takes, the server beside it does not get.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the client")?;
    let work = work(arguments, client, prompts, lines, interrupt.flag());
    let Some(run) = runtime.block_on(work)? else {
        return Ok(Ending::Interrupted);
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string(&run)?),
        false => println!("{}", output::text(&run)),
    }
    if run.interrupted {
        return Ok(Ending::Interrupted);
    }
    if run.summary.completed == 0 {
        bail!("none of {} requests was answered", run.summary.requests);
    }
    Ok(Ending::Complete)
}

/// Warms up and sends; `None`: Ctrl-C came before anything counted.
async fn work<C: Connect>(
    arguments: &LoadArgs,
    client: Client<C>,
    prompts: Prompts,
    mut lines: Option<Lines>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Run>> {
    let progress = if arguments.json {
        Terminal::silent()
    } else {
        Terminal::to_stderr()
    };
    let wish = tokio::select! {
        wish = prepare(arguments, &client, &prompts) => wish?,
        () = interrupted(stop) => return Ok(None),
    };
    let load = Load {
        arrivals: arrivals_of(arguments),
        requests: requests(arguments),
        seconds: arguments.duration.map(f64::from),
        wish,
        prompts,
        seed: arguments.seed,
    };
    let mut collected = Collected::new(targets(arguments));
    progress.stage(
        "sending",
        arguments.duration.map_or(load.requests, u64::from),
    );
    let mut take = |record: Record| -> anyhow::Result<()> {
        if let Some(lines) = &mut lines {
            lines.add(&record)?;
        }
        collected.add(&record);
        let (ended, failed) = collected.ended();
        let done = arguments.duration.map_or(ended, |_| record.ended as u64);
        progress.set(done, &format!("{ended} ended, {failed} of them failed"));
        Ok(())
    };
    let driven = drive(client, load.clone(), stop, &mut take).await?;
    progress.finish();
    Ok(Some(report(arguments, &load, collected, driven)))
}

fn report(arguments: &LoadArgs, load: &Load, collected: Collected, driven: Driven) -> Run {
    let summary = collected.summary(driven.unsent);
    let remarks = output::remarks(&summary, driven.unsent, driven.interrupted);
    let prompts = match (&load.prompts, &arguments.prompts) {
        (Prompts::Listed(prompts), Some(path)) => {
            format!("{} prompts of {}", prompts.len(), path.display())
        }
        _ => format!("random prompts of about {} tokens", arguments.prompt_tokens),
    };
    Run {
        url: arguments.url.to_string(),
        endpoint: arguments.endpoint.name().into(),
        model: load.wish.model.clone(),
        arrivals: output::arrivals(load.arrivals),
        prompts,
        output_tokens: arguments.output_tokens,
        seed: arguments.seed,
        warm_up: arguments.warm_up,
        date: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        version: env!("CARGO_PKG_VERSION"),
        summary,
        unsent: driven.unsent,
        interrupted: driven.interrupted,
        remarks,
        definitions: output::DEFINITIONS,
    }
}

/// Finds the model's name and sends what does not count.
async fn prepare<C: Connect>(
    arguments: &LoadArgs,
    client: &Client<C>,
    prompts: &Prompts,
) -> anyhow::Result<Wish> {
    let model = match &arguments.model {
        Some(model) => model.clone(),
        None => {
            let model = client.first_model().await;
            model.map_err(|failure| {
                anyhow!(
                    "{}: {failure}; {}",
                    arguments.url,
                    remedy(&failure, "name it with --model")
                )
            })?
        }
    };
    let wish = Wish {
        model,
        endpoint: arguments.endpoint,
        output_tokens: arguments.output_tokens,
        stop_at_eos: arguments.stop_at_eos,
    };
    for index in 0..u64::from(arguments.warm_up) {
        // Counted from the other end, so that no random prompt is asked twice.
        let body = body(&wish, &prompts.at(u64::MAX - index));
        let now = tokio::time::Instant::now();
        let answer = client.stream(wish.endpoint.path(), body, now).await;
        answer.map_err(|failure| {
            let other = "fix that, or skip this check with --warm-up 0";
            anyhow!(
                "{}: the first request failed: {failure}; {}",
                arguments.url,
                remedy(&failure, other)
            )
        })?;
    }
    Ok(wish)
}

/// What to do about the usual failures.
fn remedy(failure: &Failure, other: &'static str) -> &'static str {
    match failure {
        Failure::Connect(_) => "is the server running, and the address right?",
        Failure::Status(401 | 403, _) => "give a key with --api-key or OPENAI_API_KEY",
        Failure::Status(404 | 405, _) => {
            "the server has no such call: try the other --endpoint, or check path and --model"
        }
        Failure::Status(400 | 422, _) => {
            "if it refuses ignore_eos or min_tokens, add --stop-at-eos; else fewer --prompt-tokens or --output-tokens"
        }
        Failure::Timeout => "a longer --timeout, or less to do",
        _ => other,
    }
}

fn authorization(arguments: &LoadArgs) -> anyhow::Result<Option<HeaderValue>> {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|key: &String| !key.is_empty())
    };
    let key = arguments.api_key.clone();
    let key = key
        .or_else(|| variable("OPENAI_API_KEY"))
        .or_else(|| variable("SYSINFER_API_KEY"));
    let Some(key) = key else { return Ok(None) };
    // The key itself is not repeated: messages end up in logs.
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .context("the API key has characters that no HTTP header may have")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn arrivals_of(arguments: &LoadArgs) -> Arrivals {
    match arguments.rate {
        Some(rate) => Arrivals::Open {
            rate,
            max_in_flight: arguments.max_in_flight as usize,
        },
        None => Arrivals::Closed {
            concurrency: arguments.concurrency.unwrap_or(1) as usize,
        },
    }
}

fn requests(arguments: &LoadArgs) -> u64 {
    match (arguments.requests, arguments.duration) {
        (Some(requests), _) => requests,
        (None, Some(_)) => MOST_REQUESTS,
        (None, None) => USUAL_REQUESTS,
    }
}

fn targets(arguments: &LoadArgs) -> Targets {
    Targets {
        time_to_first_token_ms: arguments.ttft_target,
        time_per_output_token_ms: arguments.itl_target,
        end_to_end_ms: arguments.e2e_target,
    }
}
