//! The client against a scripted server in memory, under a clock that only the script advances.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::arrivals::Arrivals;
use super::client::{Client, Connect, Failure};
use super::drive::{Driven, Load, drive};
use super::endpoint::Endpoint;
use super::output;
use super::prompts::{Prompts, Wish};
use super::record::Record;
use super::summary::{Collected, Summary, Targets};

/// Milliseconds to wait, then what to send.
type Step = (u64, String);

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";

fn text(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

fn steps(steps: &[(u64, &str)]) -> Vec<Step> {
    steps
        .iter()
        .map(|(wait, text)| (*wait, (*text).to_owned()))
        .collect()
}

/// A server that answers every connection by the script of its number.
#[derive(Clone)]
struct Scripted {
    script: fn(u64) -> Vec<Step>,
    connections: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<String>>>,
    /// Requests under way, and the most of them so far.
    under_way: Arc<(AtomicU64, AtomicU64)>,
}

impl Scripted {
    fn new(script: fn(u64) -> Vec<Step>) -> Self {
        Self {
            script,
            connections: Arc::default(),
            seen: Arc::default(),
            under_way: Arc::default(),
        }
    }

    async fn serve(self, mut stream: DuplexStream, steps: Vec<Step>) {
        let request = read_request(&mut stream).await;
        self.seen.lock().expect("no panic holds it").push(request);
        let (now, most) = &*self.under_way;
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        for (wait, text) in steps {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if stream.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
        now.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn read_request(stream: &mut DuplexStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

impl Connect for Scripted {
    type Stream = DuplexStream;

    async fn connect(&self) -> io::Result<DuplexStream> {
        let steps = (self.script)(self.connections.fetch_add(1, Ordering::Relaxed));
        if steps.is_empty() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(64 << 10);
        tokio::spawn(self.clone().serve(theirs, steps));
        Ok(ours)
    }
}

fn client(server: &Scripted) -> Client<Scripted> {
    Client {
        connector: server.clone(),
        address: "http://scripted:7860".parse().expect("an address"),
        authorization: Some(HeaderValue::from_static("Bearer k")),
        timeout: Duration::from_secs(30),
    }
}

fn load(arrivals: Arrivals, requests: u64) -> Load {
    Load {
        arrivals,
        requests,
        seconds: None,
        wish: Wish {
            model: "m".into(),
            endpoint: Endpoint::Chat,
            output_tokens: 5,
            stop_at_eos: false,
        },
        prompts: Prompts::Random { words: 3, seed: 1 },
        seed: 1,
    }
}

async fn records(server: &Scripted, load: Load) -> (Vec<Record>, Driven) {
    let mut records = Vec::new();
    let mut take = |record| {
        records.push(record);
        Ok(())
    };
    let driven = drive(client(server), load, &AtomicBool::new(false), &mut take).await;
    (records, driven.expect("nothing fails to take"))
}

fn summary(records: &[Record], targets: Targets) -> Summary {
    let mut collected = Collected::new(targets);
    records.iter().for_each(|record| collected.add(record));
    collected.summary(0)
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// Role after 40 ms, text after 100, 120 and 160, the end at 170.
fn planted(_: u64) -> Vec<Step> {
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n";
    let mut steps = steps(&[(30, STREAM), (10, ROLE), (0, ": ping\n\n")]);
    steps.extend([(60, text("a")), (20, text("b")), (40, text("c"))]);
    steps.extend([(5, END.to_owned() + usage), (5, DONE.to_owned())]);
    steps
}

const CLOSED: Arrivals = Arrivals::Closed { concurrency: 1 };

#[tokio::test(start_paused = true)]
async fn planted_times_are_reported_by_definition() {
    let server = Scripted::new(planted);
    let (records, _) = records(&server, load(CLOSED, 4)).await;
    let targets = Targets {
        time_to_first_token_ms: Some(99.9),
        ..Targets::default()
    };
    let found = summary(&records, targets);
    assert_eq!(
        (found.requests, found.completed, found.counted_by_server),
        (4, 4, 4)
    );
    for (distribution, mean, p50, max, count) in [
        (found.time_to_first_token_ms, 100.0, 100.0, 100.0, 4),
        (found.inter_token_latency_ms, 30.0, 20.0, 40.0, 8),
        (found.time_per_output_token_ms, 15.0, 15.0, 15.0, 4),
        (found.end_to_end_ms, 170.0, 170.0, 170.0, 4),
    ] {
        let distribution = distribution.expect("answers");
        close(distribution.mean, mean);
        close(distribution.p50, p50);
        close(distribution.max, max);
        assert_eq!(distribution.count, count);
    }
    close(found.seconds, 4.0 * 0.170);
    close(found.requests_per_second, 1.0 / 0.170);
    close(found.output_tokens_per_second, 5.0 / 0.170);
    close(
        found.prompt_tokens_per_second.expect("counted"),
        7.0 / 0.170,
    );
    close(found.tokens_per_event.expect("events"), 5.0 / 3.0);
    assert_eq!(found.goodput.expect("a target").requests, 0);
    let exact = Targets {
        time_to_first_token_ms: Some(100.0),
        time_per_output_token_ms: Some(15.0),
        end_to_end_ms: Some(170.1),
    };
    let good = summary(&records, exact).goodput.expect("targets");
    assert_eq!((good.requests, good.percent), (4, 100.0));
}

#[tokio::test(start_paused = true)]
async fn requests_are_what_servers_expect() {
    let server = Scripted::new(planted);
    records(&server, load(CLOSED, 1)).await;
    let seen = server.seen.lock().expect("no panic holds it");
    let request = &seen[0];
    for part in [
        "POST /v1/chat/completions HTTP/1.1\r\n",
        "host: scripted:7860\r\n",
        "authorization: Bearer k\r\n",
        "content-type: application/json\r\n",
        "\"stream\":true",
    ] {
        assert!(request.contains(part), "{part} is not in {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn closed_arrivals_keep_their_number_under_way() {
    let server = Scripted::new(planted);
    let three = Arrivals::Closed { concurrency: 3 };
    let (found, _) = records(&server, load(three, 9)).await;
    assert_eq!(server.under_way.1.load(Ordering::Relaxed), 3);
    close(summary(&found, Targets::default()).seconds, 3.0 * 0.170);
    let timed = Load {
        seconds: Some(0.5),
        ..load(CLOSED, 1000)
    };
    let (found, _) = records(&server, timed).await;
    assert_eq!(
        found.len(),
        3,
        "the third was sent at 340 ms and ends after the time"
    );
}

fn second_long(_: u64) -> Vec<Step> {
    let mut steps = steps(&[(0, STREAM)]);
    steps.extend([(600, text("a")), (400, END.to_owned() + DONE)]);
    steps
}

#[tokio::test(start_paused = true)]
async fn open_arrivals_count_the_wait_before_sending() {
    let server = Scripted::new(second_long);
    let narrow = Arrivals::Open {
        rate: 10.0,
        max_in_flight: 1,
    };
    let (found, _) = records(&server, load(narrow, 5)).await;
    let times: Vec<f64> = super::arrivals::Poisson::new(10.0, 1).take(5).collect();
    for (index, record) in found.iter().enumerate() {
        // Timers are exact to a millisecond; everything behind the first waits its turn.
        let sent = times[0] + index as f64;
        assert!((record.scheduled - times[index]).abs() < 1e-6);
        assert!(
            (0.0..0.0011).contains(&(record.sent - sent)),
            "{} for {sent}",
            record.sent
        );
        let timing = record.outcome.as_ref().expect("an answer");
        close(timing.first, record.sent - record.scheduled + 0.6);
        close(timing.end, record.sent - record.scheduled + 1.0);
        assert_eq!(record.held, index > 0);
    }
    let found = summary(&found, Targets::default());
    assert_eq!((found.lag.late, found.lag.held), (4, 4));
    let remarks = output::remarks(&found, 0, false).join("\n");
    assert!(remarks.contains("fell behind: 4 of 5"), "{remarks}");
    let wide = Arrivals::Open {
        rate: 10.0,
        max_in_flight: 100,
    };
    let (found, _) = records(&server, load(wide, 20)).await;
    let found = summary(&found, Targets::default());
    assert_eq!((found.lag.late, found.lag.held), (0, 0));
    assert!(found.end_to_end_ms.expect("answers").max < 1001.1);
}

#[tokio::test(start_paused = true)]
async fn arrivals_that_are_never_sent_are_counted() {
    let server = Scripted::new(second_long);
    let narrow = Arrivals::Open {
        rate: 10.0,
        max_in_flight: 1,
    };
    let timed = Load {
        seconds: Some(2.5),
        ..load(narrow, 1000)
    };
    let (found, driven) = records(&server, timed).await;
    let due = super::arrivals::Poisson::new(10.0, 1)
        .take_while(|seconds| *seconds < 2.5)
        .count();
    assert_eq!(found.len() as u64 + driven.unsent, due as u64);
    assert_eq!(found.len(), 3);
    // They are part of what goodput is a share of.
    let targets = Targets {
        end_to_end_ms: Some(1e9),
        ..Targets::default()
    };
    let mut collected = Collected::new(targets);
    found.iter().for_each(|record| collected.add(record));
    let good = collected.summary(driven.unsent).goodput.expect("a target");
    assert_eq!(good.requests, 3);
    close(good.percent, 300.0 / due as f64);
}

#[tokio::test(start_paused = true)]
async fn arrivals_that_wait_for_a_place_at_an_interrupt_are_counted() {
    let server = Scripted::new(second_long);
    let narrow = Arrivals::Open {
        rate: 10.0,
        max_in_flight: 1,
    };
    let interrupt = Arc::new(AtomicBool::new(false));
    let pressed = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(2550)).await;
        pressed.store(true, Ordering::Relaxed);
    });
    let mut ended = 0;
    let mut take = |_: Record| {
        ended += 1;
        Ok(())
    };
    let driven = drive(client(&server), load(narrow, 1000), &interrupt, &mut take).await;
    let driven = driven.expect("nothing fails to take");
    assert!(driven.interrupted && ended == 2, "{ended}");
    // Two have ended and one is under way; the interrupt is seen within 50 ms.
    let waiting = |until: f64| {
        let times = super::arrivals::Poisson::new(10.0, 1);
        times.take_while(|seconds| *seconds < until).count() as u64 - 3
    };
    let range = waiting(2.5)..=waiting(2.7);
    assert!(range.contains(&driven.unsent), "{range:?}: {driven:?}");
}

/// What comes of a connection whose answer is this; the kind, or empty for a whole answer.
const HOSTILE: [(&str, &str); 19] = [
    ("", "broken stream"),
    ("nonsense\r\n\r\n", "broken stream"),
    (
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
        "429 too many requests",
    ),
    (
        "HTTP/1.1 503 x\r\n\r\n{\"error\":{\"message\":\"loading\"}}",
        "5xx server error",
    ),
    ("HTTP/1.1 404 x\r\n\r\nnot here", "other status"),
    (
        "HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\n\r\n",
        "other status",
    ),
    (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"choices\":[]}",
        "malformed",
    ),
    ("STREAM", "broken stream"),
    ("STREAM|ROLE", "broken stream"),
    ("STREAM|ROLE|DONE", "empty answer"),
    ("STREAM|TEXT", "broken stream"),
    ("STREAM|TEXT|END", ""),
    ("STREAM|TEXT|data: [DONE]", ""),
    (
        "STREAM|TEXT|data: {\"error\":{\"message\":\"out of memory\"}}\n\n|DONE",
        "error in stream",
    ),
    ("STREAM|TEXT|data: {\"choices\n\n|DONE", "malformed"),
    (
        "STREAM|TEXT|data: {\"choices\":\r\ndata: []}\r\n\r\n|END|DONE",
        "",
    ),
    ("CHUNKED|5\r\ndata:\r\n", "broken stream"),
    ("CHUNKED|zz\r\n", "broken stream"),
    ("STREAM|HUGE", "malformed"),
];

fn hostile(number: u64) -> Vec<Step> {
    let (answer, _) = HOSTILE[number as usize];
    let chunked = STREAM.replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n");
    let parts = answer.split('|').map(|part| match part {
        "STREAM" => STREAM.into(),
        "CHUNKED" => chunked.clone(),
        "ROLE" => ROLE.into(),
        "TEXT" => text("\u{6c49}"),
        "END" => END.into(),
        "DONE" => DONE.into(),
        "HUGE" => format!("data: {}", "x".repeat(2 << 20)),
        other => other.to_owned(),
    });
    parts.map(|part| (1, part)).collect()
}

#[tokio::test(start_paused = true)]
async fn hostile_streams_are_counted_by_kind() {
    let server = Scripted::new(hostile);
    let (found, _) = records(&server, load(CLOSED, HOSTILE.len() as u64)).await;
    assert_eq!(found.len(), HOSTILE.len());
    for (record, (answer, kind)) in found.iter().zip(HOSTILE) {
        let outcome = &record.outcome;
        let found = outcome.as_ref().map_or_else(Failure::kind, |_| "");
        assert_eq!(found, kind, "{answer:?}: {outcome:?}");
    }
    let refused = |index: usize| {
        found[index]
            .outcome
            .clone()
            .expect_err("a status")
            .to_string()
    };
    assert_eq!(refused(3), "status 503: loading");
    assert_eq!(refused(4), "status 404: not here");
    let found = summary(
        &found,
        Targets {
            end_to_end_ms: Some(1e9),
            ..Targets::default()
        },
    );
    assert_eq!((found.requests, found.completed), (19, 3));
    assert_eq!(found.goodput.expect("a target").requests, 3);
    assert_eq!(found.failures["broken stream"].count, 7);
}

#[tokio::test(start_paused = true)]
async fn silence_and_refusal_are_failures_of_their_own() {
    let silent = Scripted::new(|_| steps(&[(0, STREAM), (1_000_000, DONE)]));
    let (found, _) = records(&silent, load(CLOSED, 1)).await;
    assert_eq!(found[0].outcome, Err(Failure::Timeout));
    close(found[0].ended, 30.0);
    let absent = Scripted::new(|_| Vec::new());
    let (found, _) = records(&absent, load(CLOSED, 2)).await;
    assert_eq!(
        found[1].outcome.as_ref().map_err(Failure::kind),
        Err("no connection")
    );
    close(found[1].sent - found[0].ended, 0.1);
}

#[tokio::test(start_paused = true)]
async fn endless_answers_end_with_the_time_limit() {
    let server = Scripted::new(|_| {
        let mut steps = steps(&[(0, STREAM)]);
        steps.extend((0..100_000).map(|_| (1, text("a"))));
        steps
    });
    let (found, _) = records(&server, load(CLOSED, 1)).await;
    assert_eq!(found[0].outcome, Err(Failure::Timeout));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_gives_up_what_is_under_way() {
    let server = Scripted::new(second_long);
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut taken = 0;
    let mut take = |_| {
        taken += 1;
        interrupt.store(true, Ordering::Relaxed);
        Ok(())
    };
    let driven = drive(client(&server), load(CLOSED, 100), &interrupt, &mut take).await;
    assert!(driven.expect("no error").interrupted);
    assert_eq!(taken, 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_model_is_found() {
    const LIST: &str =
        "HTTP/1.1 200 OK\r\n\r\n{\"object\":\"list\",\"data\":[{\"id\":\"m1\"},{\"id\":\"m2\"}]}";
    let server = Scripted::new(|number| match number {
        0 => steps(&[(1, LIST)]),
        1 => steps(&[(1, "HTTP/1.1 200 OK\r\n\r\n{\"data\":[]}")]),
        _ => steps(&[(1, "HTTP/1.1 401 x\r\n\r\n")]),
    });
    let client = client(&server);
    assert_eq!(client.first_model().await, Ok("m1".into()));
    let kinds = [client.first_model().await, client.first_model().await];
    let kinds = kinds.map(|found| found.map_err(|failure| failure.kind()));
    assert_eq!(kinds, [Err("malformed"), Err("other status")]);
}
