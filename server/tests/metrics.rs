//! What `/metrics` says of what happened.
#![forbid(unsafe_code)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::metrics::Exported;
use common::{Options, STEP_TIME, Server, ask, body, get, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sysinfer_profiles::StepEvidence;
use sysinfer_server::metrics::jobs::{JobEnd, JobMeter};
use sysinfer_server::metrics::{Metrics, Now};
use sysinfer_server::rate::readings::Readings;
use sysinfer_server::rate::{Tuned, TunedSteps};

const VLLM: &str = r#"{model_name="test/model"}"#;

fn gated(queue_limit: usize) -> Server {
    Server::start(Options {
        gated: true,
        queue_limit,
        ..Options::default()
    })
}

fn streamed() -> Value {
    ask("one two three", json!({"stream": true}))
}

/// Waits until a series has a value; a minute without is a failure.
async fn until(server: &Server, series: &str, wanted: f64) -> Exported {
    for _ in 0..6000 {
        let exported = Exported::of(server).await;
        if exported.values.get(series) == Some(&wanted) {
            return exported;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "{series} was never {wanted}: {:#?}",
        Exported::of(server).await
    );
}

#[tokio::test]
async fn an_answer_is_in_every_metric_that_it_belongs_to() {
    let server = Server::start(Options::default());
    let answer = server.chat(ask("one two three", json!({}))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    body(answer).await;
    let exported = until(&server, "sysinfer_requests_running", 0.0).await;
    let seconds = STEP_TIME.as_secs_f64();
    let theirs = |name: &str| format!("vllm:{name}{VLLM}");
    exported.have(&[
        ("sysinfer_time_to_first_token_seconds_count", 1.0),
        ("sysinfer_inter_token_latency_seconds_count", 4.0),
        ("sysinfer_request_time_per_output_token_seconds_count", 1.0),
        ("sysinfer_request_queue_time_seconds_count", 1.0),
        ("sysinfer_e2e_request_latency_seconds_count", 1.0),
        ("sysinfer_request_prompt_tokens_sum", 3.0),
        ("sysinfer_request_generation_tokens_sum", 5.0),
        // The scripted engine finds one token of a prompt in its cache.
        ("sysinfer_prompt_tokens_total", 3.0),
        ("sysinfer_prompt_queried_tokens_total", 3.0),
        ("sysinfer_prompt_cached_tokens_total", 1.0),
        ("sysinfer_generation_tokens_total", 5.0),
        ("sysinfer_step_duration_seconds_count{kind=\"prompt\"}", 1.0),
        ("sysinfer_step_duration_seconds_count{kind=\"decode\"}", 4.0),
        (
            "sysinfer_step_duration_seconds_sum{kind=\"decode\"}",
            4.0 * seconds,
        ),
        ("sysinfer_step_duration_seconds_count{kind=\"mixed\"}", 0.0),
        ("sysinfer_requests_finished_total{reason=\"stop\"}", 1.0),
        ("sysinfer_requests_finished_total{reason=\"length\"}", 0.0),
        (
            "sysinfer_http_requests_total{path=\"/v1/chat/completions\",status=\"200\"}",
            1.0,
        ),
        ("sysinfer_kv_cache_usage_ratio", 0.0),
        ("sysinfer_kv_cache_kept_ratio", 0.5),
        ("sysinfer_context_tokens", 4096.0),
        ("sysinfer_queue_limit", 4.0),
        ("sysinfer_parallel_limit", 1.0),
        ("sysinfer_status{status=\"ready\"}", 1.0),
        ("sysinfer_status{status=\"loading\"}", 0.0),
        (&theirs("time_to_first_token_seconds_count"), 1.0),
        (&theirs("inter_token_latency_seconds_count"), 4.0),
        (&theirs("request_time_per_output_token_seconds_count"), 1.0),
        (&theirs("e2e_request_latency_seconds_count"), 1.0),
        (&theirs("request_queue_time_seconds_count"), 1.0),
        (&theirs("prompt_tokens_total"), 3.0),
        (&theirs("generation_tokens_total"), 5.0),
        (&theirs("prefix_cache_queries_total"), 3.0),
        (&theirs("prefix_cache_hits_total"), 1.0),
        (&theirs("num_requests_running"), 0.0),
        (&theirs("num_requests_waiting"), 0.0),
        (&theirs("kv_cache_usage_perc"), 0.0),
        (
            "vllm:request_success_total{model_name=\"test/model\",finished_reason=\"stop\"}",
            1.0,
        ),
    ]);
    let info = exported
        .values
        .keys()
        .find(|series| series.starts_with("sysinfer_info"));
    let info = info.expect("what runs here");
    for label in [
        "model_architecture=\"llama\"",
        "quantisation=\"Q4_0\"",
        "model_name=\"test/model\"",
    ] {
        assert!(info.contains(label), "{info}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_at_its_length_and_texts_to_embed_say_so() {
    let server = Server::start(Options::default());
    body(server.chat(ask("hi", json!({"max_tokens": 2}))).await).await;
    let texts = json!({"input": ["one two", "three"]});
    assert_eq!(
        server.post("/v1/embeddings", texts).await.status(),
        StatusCode::OK
    );
    let exported = until(&server, "sysinfer_requests_running", 0.0).await;
    exported.have(&[
        ("sysinfer_requests_finished_total{reason=\"length\"}", 1.0),
        ("sysinfer_requests_finished_total{reason=\"embedded\"}", 1.0),
        ("sysinfer_request_queue_time_seconds_count", 2.0),
        // They have no tokens that leave.
        ("sysinfer_e2e_request_latency_seconds_count", 1.0),
        (
            "vllm:request_success_total{model_name=\"test/model\",finished_reason=\"length\"}",
            1.0,
        ),
        (
            "vllm:request_success_total{model_name=\"test/model\",finished_reason=\"stop\"}",
            1.0,
        ),
    ]);
}

#[tokio::test]
async fn requests_that_wait_and_run_are_told_and_a_client_that_leaves_is_cancelled() {
    let server = gated(4);
    let runs = server.chat(streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let waits = server.chat(streamed()).await;
    let exported = until(&server, "sysinfer_requests_running", 1.0).await;
    exported.have(&[
        ("sysinfer_requests_waiting", 1.0),
        (&format!("vllm:num_requests_waiting{VLLM}"), 1.0),
        (&format!("vllm:num_requests_running{VLLM}"), 1.0),
        (&format!("vllm:kv_cache_usage_perc{VLLM}"), 0.25),
        ("sysinfer_kv_cache_usage_ratio", 0.25),
    ]);
    drop(waits);
    Exported::of(&server)
        .await
        .have(&[("sysinfer_requests_waiting", 0.0)]);
    drop(runs);
    server.allow(1);
    let cancelled = "sysinfer_requests_finished_total{reason=\"cancelled\"}";
    until(&server, cancelled, 2.0).await;
    let exported = until(&server, "sysinfer_requests_running", 0.0).await;
    exported.have(&[
        (
            "vllm:request_success_total{model_name=\"test/model\",finished_reason=\"abort\"}",
            2.0,
        ),
        ("sysinfer_e2e_request_latency_seconds_count", 0.0),
        ("sysinfer_request_prompt_tokens_count", 0.0),
        ("sysinfer_requests_running", 0.0),
    ]);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_has_no_status() {
    let server = gated(4);
    let asked = server.chat(ask("hi", json!({})));
    let left = tokio::time::timeout(Duration::from_millis(50), asked).await;
    assert!(left.is_err(), "the engine waits");
    let path = "path=\"/v1/chat/completions\"";
    Exported::of(&server).await.have(&[
        (
            &format!("sysinfer_http_requests_total{{{path},status=\"499\"}}"),
            1.0,
        ),
        ("sysinfer_requests_refused_total{status=\"400\"}", 0.0),
    ]);
}

#[tokio::test]
async fn refusals_are_counted_by_their_status_and_are_no_jobs() {
    let server = gated(1);
    let _runs = server.chat(streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let _waits = server.chat(streamed()).await;
    let refused = [
        server.chat(streamed()).await,
        server.send(get("/nothing/here")).await,
        server.send(get("/v1/chat/completions")).await,
    ];
    let statuses = refused.map(|response| response.status().as_u16());
    assert_eq!(statuses, [429, 404, 405]);
    let exported = Exported::of(&server).await;
    let refused = |status: u16| {
        exported.value(&format!(
            "sysinfer_requests_refused_total{{status=\"{status}\"}}"
        ))
    };
    let counts = [400, 401, 404, 405, 408, 413, 415, 429, 503].map(refused);
    assert_eq!(counts, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let mut ends = exported
        .values
        .iter()
        .filter(|(name, _)| name.contains("finished"));
    assert!(ends.clone().count() >= 10);
    assert!(ends.all(|(_, count)| *count == 0.0), "none has ended");
}

#[tokio::test]
async fn jobs_that_are_cut_off_and_jobs_that_fail_are_told_apart() {
    let server = gated(4);
    let runs = server.chat(streamed()).await;
    server.until(|seen| seen.admitted == 1).await;
    let waits = server.chat(streamed()).await;
    server.state.set_cut_off();
    let exported = Exported::of(&server).await;
    exported.have(&[
        ("sysinfer_requests_finished_total{reason=\"cut_off\"}", 2.0),
        (
            "sysinfer_requests_finished_total{reason=\"cancelled\"}",
            0.0,
        ),
        ("sysinfer_status{status=\"cut_off\"}", 1.0),
        ("sysinfer_status{status=\"ready\"}", 0.0),
    ]);
    drop((runs, waits));
    server.allow(1);
    let _ = server.worker.join();

    for word in ["fail", "panic"] {
        let server = Server::start(Options::default());
        let failed = server.chat(ask(word, json!({}))).await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let name = "sysinfer_requests_finished_total{reason=\"failed\"}";
        let exported = until(&server, name, 1.0).await;
        exported.have(&[
            (
                "vllm:request_success_total{model_name=\"test/model\",finished_reason=\"error\"}",
                1.0,
            ),
            ("sysinfer_e2e_request_latency_seconds_count", 0.0),
        ]);
    }
}

#[tokio::test]
async fn it_answers_while_loading_and_stopping_and_wants_a_key_where_there_are_any() {
    let loading = Server::start(Options {
        ready: false,
        ..Options::default()
    });
    let exported = Exported::of(&loading).await;
    exported.have(&[("sysinfer_status{status=\"loading\"}", 1.0)]);
    assert!(
        !exported.values.contains_key("sysinfer_context_tokens"),
        "not known yet"
    );
    loading.state.set_draining();
    let exported = Exported::of(&loading).await;
    exported.have(&[("sysinfer_status{status=\"draining\"}", 1.0)]);

    let keyed = Server::start(Options {
        api_keys: vec!["sk-right".into()],
        ..Options::default()
    });
    assert_eq!(
        keyed.send(get("/metrics")).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let request = Request::get("/metrics").header("authorization", "Bearer sk-right");
    let answer = keyed.send(request.body(Body::empty()).unwrap()).await;
    Exported::parse(&text(answer).await)
        .have(&[("sysinfer_requests_refused_total{status=\"401\"}", 1.0)]);
}

#[tokio::test]
async fn what_clients_make_up_adds_no_series() {
    let server = Server::start(Options::default());
    let methods = ["GET", "POST", "PUT", "BREW"];
    for number in 0..25 {
        for method in methods {
            let paths = [
                format!("/made/up/{number}"),
                format!("/v1/models/made-up-{number}"),
                format!("/v1/chat/completions?{number}"),
                format!("/%ff{number}"),
            ];
            for path in paths {
                let request = Request::builder().method(method).uri(path);
                server.send(request.body(Body::empty()).unwrap()).await;
            }
        }
    }
    let exported = Exported::of(&server).await;
    let http: Vec<(&String, &f64)> = exported
        .values
        .iter()
        .filter(|(name, _)| name.starts_with("sysinfer_http_requests_total"))
        .collect();
    let count: f64 = http.iter().map(|(_, count)| **count).sum();
    assert_eq!(count, 400.0);
    assert!(http.len() <= 8, "{http:#?}");
    let series = exported.values.len();
    for number in 100..150 {
        server.send(get(&format!("/other/{number}"))).await;
    }
    // One more: the first reading of /metrics itself.
    assert_eq!(Exported::of(&server).await.values.len(), series + 1);
}

#[tokio::test]
async fn buckets_are_cumulative_and_the_order_stays() {
    let server = Server::start(Options::default());
    body(server.chat(ask("hi", json!({}))).await).await;
    let exported = until(&server, "sysinfer_requests_running", 0.0).await;
    let mut histograms = 0;
    for (name, (_, kind)) in &exported.kinds {
        if kind != "histogram" || name.starts_with("vllm:") || name.contains("step") {
            continue;
        }
        histograms += 1;
        let mut buckets: Vec<(f64, f64)> = exported
            .values
            .iter()
            .filter_map(|(series, count)| {
                let bound = series.strip_prefix(&format!("{name}_bucket{{le=\""))?;
                let bound = bound.strip_suffix("\"}")?.replace("+Inf", "inf");
                Some((bound.parse().ok()?, *count))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.len() > 10, "{name}: {buckets:?}");
        assert!(
            buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
            "{name}: {buckets:?}"
        );
        let all = exported.value(&format!("{name}_count"));
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, all)), "{name}");
    }
    assert_eq!(histograms, 7);
    let names = |text: String| -> Vec<String> {
        let series = text
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
        series.collect()
    };
    let [one, other] = [server.state.metrics_text(), server.state.metrics_text()].map(names);
    assert_eq!(one, other);
}

/// Tokens that leave together share the time since those before them.
#[test]
fn times_are_those_of_leaving() {
    let metrics = Metrics::new("m", 1, &["ready"]);
    let arrived = Instant::now();
    let at = |milliseconds| arrived + Duration::from_millis(milliseconds);
    let mut meter = JobMeter::new(Arc::clone(metrics.jobs()), arrived);
    meter.tokens_left(0, at(10));
    meter.tokens_left(1, at(150));
    meter.tokens_left(4, at(190));
    meter.tokens_left(1, at(250));
    meter.finished(JobEnd::Length, 7, 6, at(251));
    // Whoever ends it later counts nothing.
    meter.finished(JobEnd::Stop, 7, 6, at(900));
    assert!(!meter.end().count(JobEnd::CutOff));
    let exported = Exported::parse(&metrics.text(&Now::default()));
    let token =
        |bound: &str| format!("sysinfer_inter_token_latency_seconds_bucket{{le=\"{bound}\"}}");
    exported.have(&[
        ("sysinfer_time_to_first_token_seconds_sum", 0.15),
        ("sysinfer_time_to_first_token_seconds_count", 1.0),
        ("sysinfer_inter_token_latency_seconds_sum", 0.1),
        ("sysinfer_inter_token_latency_seconds_count", 5.0),
        (&token("0.009"), 0.0),
        (&token("0.01"), 4.0),
        (&token("0.05"), 4.0),
        (&token("0.06"), 5.0),
        ("sysinfer_request_time_per_output_token_seconds_sum", 0.02),
        ("sysinfer_e2e_request_latency_seconds_sum", 0.251),
        ("sysinfer_request_prompt_tokens_sum", 7.0),
        ("sysinfer_requests_finished_total{reason=\"length\"}", 1.0),
        ("sysinfer_requests_finished_total{reason=\"stop\"}", 0.0),
        ("sysinfer_requests_finished_total{reason=\"cut_off\"}", 0.0),
    ]);
}

/// The time of a request begins with its head, not with the end of its body.
#[tokio::test]
async fn a_slow_body_is_part_of_the_time_to_the_first_token() {
    let server = Server::start(Options::default());
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let request = request.body(Body::from_stream(stream)).unwrap();
    let app = server.app();
    let answer = tokio::spawn(tower::ServiceExt::oneshot(app, request));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let body = ask("hi", json!({})).to_string();
    sender.send(Ok(body.into_bytes())).await.unwrap();
    drop(sender);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body().collect().await.unwrap();
    // The engine's thread notes the end after it has told the client.
    let mut exported = Exported::of(&server).await;
    for _ in 0..6000 {
        if exported.value("sysinfer_e2e_request_latency_seconds_count") > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        exported = Exported::of(&server).await;
    }
    for name in ["time_to_first_token", "e2e_request_latency"] {
        let seconds = exported.value(&format!("sysinfer_{name}_seconds_sum"));
        assert!(seconds >= 0.3, "{name}: {seconds}");
    }
}

#[tokio::test]
async fn the_share_of_the_tuned_rate_is_shown_when_it_is_known() {
    let evidence = StepEvidence {
        sequences: 1,
        context_tokens: 8,
        // Half of what the scripted engine takes.
        milliseconds: 5.0,
        ..StepEvidence::default()
    };
    let server = Server::start(Options {
        pieces: vec!["x"; 200],
        tuned: Tuned {
            steps: TunedSteps::new(&[evidence], &[], 8),
            difference: Some("1 threads, not 2".into()),
            ..Tuned::default()
        },
        ..Options::default()
    });
    let began = Instant::now();
    server.state.rate.look(began, Readings::default());
    let exported = Exported::of(&server).await;
    for name in [
        "tuned_rate_share",
        "decode_tokens_per_second",
        "tuned_decode_tokens_per_second",
    ] {
        assert!(
            !exported.kinds.contains_key(&format!("sysinfer_{name}")),
            "{name}: not known"
        );
    }
    exported.have(&[("sysinfer_tuned_rate_cause{cause=\"none\"}", 1.0)]);
    let props = body(server.send(get("/props")).await).await;
    assert_eq!(
        props["rate"],
        json!({
            "decode_tokens_per_second": null, "tuned_tokens_per_second": null, "share": null, "cause": null,
        })
    );
    // Most of the answer is longer than what was measured; sixteen tokens are twice as long.
    for _ in 0..20 {
        body(
            server
                .chat(ask("one two three", json!({"max_tokens": 14})))
                .await,
        )
        .await;
    }
    server
        .state
        .rate
        .look(began + Duration::from_secs(5), Readings::default());
    let exported = Exported::of(&server).await;
    exported.have(&[
        ("sysinfer_tuned_rate_share", 0.5),
        ("sysinfer_decode_tokens_per_second", 100.0),
        ("sysinfer_tuned_decode_tokens_per_second", 200.0),
        ("sysinfer_tuned_rate_cause{cause=\"other_map\"}", 1.0),
        ("sysinfer_tuned_rate_cause{cause=\"none\"}", 0.0),
    ]);
    let props = body(server.send(get("/props")).await).await;
    assert_eq!(props["rate"]["share"], 0.5);
    let cause = props["rate"]["cause"].as_str().expect("a sentence");
    assert!(cause.contains("(1 threads, not 2)"), "{cause}");
}

#[tokio::test]
async fn without_a_profile_there_is_no_tuned_rate() {
    let server = Server::start(Options::default());
    let exported = Exported::of(&server).await;
    exported.have(&[("sysinfer_tuned_rate_cause{cause=\"untuned\"}", 1.0)]);
    let props = body(server.send(get("/props")).await).await;
    let cause = props["rate"]["cause"].as_str().expect("a sentence");
    assert!(cause.contains("--profile"), "{cause}");
}
