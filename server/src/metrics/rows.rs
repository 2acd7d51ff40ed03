//! Every metric. `docs/en/metrics.md` and `docs/zh/metrics.md` show this table; `server/tests/metrics_page.rs`
//! holds them to it, and what is exported too.

use super::bounds::{FIRST_TOKEN, REQUEST, TOKEN, TOKENS};
use super::row::Row;

/// From the arrival of a request to the moment when its first token leaves for the client.
pub const TIME_TO_FIRST_TOKEN: Row = Row::histogram(
    "sysinfer_time_to_first_token_seconds",
    "seconds",
    "From the arrival of a request to the moment when the first token of an answer leaves for its client.",
    FIRST_TOKEN,
)
.also("vllm:time_to_first_token_seconds");

/// Time between tokens as they leave.
pub const INTER_TOKEN_LATENCY: Row = Row::histogram(
    "sysinfer_inter_token_latency_seconds",
    "seconds",
    "Time between two tokens of an answer as they leave for its client; of tokens that leave together, an equal part of the time since the ones before, for each.",
    TOKEN,
)
.also("vllm:inter_token_latency_seconds");

/// The mean of an answer's tokens.
pub const TIME_PER_OUTPUT_TOKEN: Row = Row::histogram(
    "sysinfer_request_time_per_output_token_seconds",
    "seconds",
    "Mean time between the tokens of a complete answer, from the first that left to the last.",
    TOKEN,
)
.also("vllm:request_time_per_output_token_seconds");

/// Waiting.
pub const QUEUE_TIME: Row = Row::histogram(
    "sysinfer_request_queue_time_seconds",
    "seconds",
    "What an answer, or a request for embeddings, waited in the queue before the engine took it in.",
    REQUEST,
)
.also("vllm:request_queue_time_seconds");

/// All of it.
pub const E2E_LATENCY: Row = Row::histogram(
    "sysinfer_e2e_request_latency_seconds",
    "seconds",
    "From the arrival of a request to the end of an answer that is complete.",
    REQUEST,
)
.also("vllm:e2e_request_latency_seconds");

/// Length of prompts.
pub const REQUEST_PROMPT_TOKENS: Row = Row::histogram(
    "sysinfer_request_prompt_tokens",
    "tokens",
    "Tokens of the prompt of a complete answer.",
    TOKENS,
)
.also("vllm:request_prompt_tokens");

/// Length of answers.
pub const REQUEST_GENERATION_TOKENS: Row = Row::histogram(
    "sysinfer_request_generation_tokens",
    "tokens",
    "Tokens of a complete answer.",
    TOKENS,
)
.also("vllm:request_generation_tokens");

/// Steps of the engine.
pub const STEP_DURATION: Row = Row::histogram(
    "sysinfer_step_duration_seconds",
    "seconds",
    "Time of a step of the engine: decode (next tokens of answers), prompt (parts of prompts and texts), mixed (both). Its count is the number of steps.",
    TOKEN,
)
.with(&["kind"]);

/// What runs here.
pub const INFO: Row = Row::gauge(
    "sysinfer_info",
    "",
    "Always 1; its labels say what runs here, those of the model once it is loaded.",
)
.with(&[
    "version",
    "build_architecture",
    "model_name",
    "model_architecture",
    "quantisation",
]);

/// Whether requests are served.
pub const STATUS: Row = Row::gauge(
    "sysinfer_status",
    "",
    "1 at what the server does now: loading, ready, draining, cut_off or failed; 0 at the others.",
)
.with(&["status"]);

/// In the engine.
pub const RUNNING: Row = Row::gauge(
    "sysinfer_requests_running",
    "",
    "Answers and requests for embeddings that the engine works on.",
)
.also("vllm:num_requests_running");

/// Before it.
pub const WAITING: Row = Row::gauge(
    "sysinfer_requests_waiting",
    "",
    "Answers and requests for embeddings that wait in the queue.",
)
.also("vllm:num_requests_waiting");

/// Cache of live requests.
pub const KV_USAGE: Row = Row::gauge(
    "sysinfer_kv_cache_usage_ratio",
    "ratio",
    "Part of the KV cache that running requests have, or were promised, from 0 to 1.",
)
.also("vllm:kv_cache_usage_perc");

/// Cache of ended ones.
pub const KV_KEPT: Row = Row::gauge(
    "sysinfer_kv_cache_kept_ratio",
    "ratio",
    "Part of the KV cache that is kept for prompts that begin alike, from 0 to 1; running requests get it when they need it.",
);

/// `--context`.
pub const CONTEXT: Row = Row::gauge(
    "sysinfer_context_tokens",
    "tokens",
    "Tokens that prompt and answer of a request may have together.",
);

/// `--queue`.
pub const QUEUE_LIMIT: Row = Row::gauge(
    "sysinfer_queue_limit",
    "",
    "Answers that may wait in the queue.",
);

/// `--parallel`.
pub const PARALLEL: Row = Row::gauge(
    "sysinfer_parallel_limit",
    "",
    "Answers that the engine works on at once at most.",
);

/// Prompts.
pub const PROMPT_TOKENS: Row = Row::counter(
    "sysinfer_prompt_tokens_total",
    "tokens",
    "Tokens of prompts and of texts to embed that were computed, or found in the KV cache.",
)
.also("vllm:prompt_tokens_total");

/// Prompts that may share.
pub const QUERIED_TOKENS: Row = Row::counter(
    "sysinfer_prompt_queried_tokens_total",
    "tokens",
    "Tokens of prompts that were looked for in the KV cache.",
)
.also("vllm:prefix_cache_queries_total");

/// What was shared.
pub const CACHED_TOKENS: Row = Row::counter(
    "sysinfer_prompt_cached_tokens_total",
    "tokens",
    "Tokens of prompts that were found in the KV cache.",
)
.also("vllm:prefix_cache_hits_total");

/// Answers.
pub const GENERATION_TOKENS: Row = Row::counter(
    "sysinfer_generation_tokens_total",
    "tokens",
    "Tokens that were generated, end tokens included.",
)
.also("vllm:generation_tokens_total");

/// Lookup.
pub const DRAFTED_TOKENS: Row = Row::counter(
    "sysinfer_drafted_tokens_total",
    "tokens",
    "Tokens that prompt lookup drafted.",
)
.also("vllm:spec_decode_num_draft_tokens_total");

/// Lookup that was right.
pub const ACCEPTED_TOKENS: Row = Row::counter(
    "sysinfer_accepted_tokens_total",
    "tokens",
    "Drafted tokens that were then generated.",
)
.also("vllm:spec_decode_num_accepted_tokens_total");

/// Ends.
pub const FINISHED: Row = Row::counter(
    "sysinfer_requests_finished_total",
    "",
    "Answers that ended, by reason: stop, length, cancelled (the client left), cut_off (the server stopped), failed; embedded: requests for embeddings that were answered.",
)
.with(&["reason"]);

/// The same in the words of vLLM.
pub const VLLM_SUCCESS: Row = Row::counter(
    "vllm:request_success_total",
    "",
    "Answers that ended, by vLLM's reasons: stop (or embedded), length, abort (cancelled, cut off), error (failed).",
)
.with(&["model_name", "finished_reason"]);

/// Errors of clients, and busy servers.
pub const REFUSED: Row = Row::counter(
    "sysinfer_requests_refused_total",
    "",
    "Requests that were refused, by HTTP status: 4xx, and 503 while loading or stopping.",
)
.with(&["status"]);

/// HTTP.
pub const HTTP_REQUESTS: Row = Row::counter(
    "sysinfer_http_requests_total",
    "",
    "HTTP requests by route and status; all unknown paths are one route, other; 499: the client left before there was a status.",
)
.with(&["path", "status"]);

/// Now.
pub const DECODE_RATE: Row = Row::gauge(
    "sysinfer_decode_tokens_per_second",
    "tokens/s",
    "Tokens a second of all answers together, over the decode steps of the last 10 seconds that had no part of a prompt and no draft; absent without enough of them.",
);

/// When tuned.
pub const TUNED_RATE: Row = Row::gauge(
    "sysinfer_tuned_decode_tokens_per_second",
    "tokens/s",
    "What the profile's measurements say of the same steps: of so many answers, at their lengths; absent without a profile that is applied.",
);

/// One over the other.
pub const SHARE: Row = Row::gauge(
    "sysinfer_tuned_rate_share",
    "ratio",
    "sysinfer_decode_tokens_per_second over sysinfer_tuned_decode_tokens_per_second: 1 is as fast as tuned.",
);

/// Why.
pub const CAUSE: Row = Row::gauge(
    "sysinfer_tuned_rate_cause",
    "",
    "1 at what most likely keeps the share below 0.9: none, untuned, other_map, cpu_quota, stolen, throttled, busy_cpus, unknown; 0 at the others.",
)
.with(&["cause"]);

/// All of them, in the order of the page.
pub const ROWS: &[Row] = &[
    TIME_TO_FIRST_TOKEN,
    INTER_TOKEN_LATENCY,
    TIME_PER_OUTPUT_TOKEN,
    QUEUE_TIME,
    E2E_LATENCY,
    REQUEST_PROMPT_TOKENS,
    REQUEST_GENERATION_TOKENS,
    STEP_DURATION,
    SHARE,
    DECODE_RATE,
    TUNED_RATE,
    CAUSE,
    RUNNING,
    WAITING,
    KV_USAGE,
    KV_KEPT,
    CONTEXT,
    QUEUE_LIMIT,
    PARALLEL,
    STATUS,
    INFO,
    PROMPT_TOKENS,
    QUERIED_TOKENS,
    CACHED_TOKENS,
    GENERATION_TOKENS,
    DRAFTED_TOKENS,
    ACCEPTED_TOKENS,
    FINISHED,
    VLLM_SUCCESS,
    REFUSED,
    HTTP_REQUESTS,
];
