// Asks the server for an answer and reads it as it comes.

/** The server's refusal, or its failure in the middle of an answer. */
export class Refused extends Error {
  constructor(status, error, retryAfter) {
    super(error?.message ?? "");
    this.status = status;
    this.code = error?.code ?? null;
    /** Seconds, if the server says when to come back. */
    this.retryAfter = retryAfter;
  }
}

/** The server cannot be reached, or the connection ended before the answer did. */
export class Lost extends Error {}

/**
 * Asks for an answer to `body`, a request without what streaming needs. Calls `accepted` once the server has taken
 * the request, then yields pieces: `{text}`, `{thought}`, `{tokens}` (how many have come), `{finish}` (why it ended)
 * and `{usage}`.
 *
 * Throws `Refused`, `Lost`, or what `signal` was aborted with.
 */
export async function* ask(body, key, signal, accepted) {
  const response = await post(body, key, signal);
  if (!response.ok) throw await refusal(response);
  accepted();
  let done = false;
  for await (const data of events(response.body, signal)) {
    if (data === "[DONE]") {
      done = true;
      break;
    }
    const chunk = parsed(data);
    if (chunk.error) throw new Refused(200, chunk.error);
    yield* pieces(chunk);
  }
  if (!done) throw new Lost("the answer has no end");
}

async function post(body, key, signal) {
  const headers = { "Content-Type": "application/json", ...authorization(key) };
  // Counts in every piece: a token may have no text of its own, as half a Chinese character.
  const streaming = { stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } };
  try {
    return await fetch("v1/chat/completions", {
      method: "POST",
      headers,
      body: JSON.stringify({ ...body, ...streaming }),
      signal,
      cache: "no-store",
    });
  } catch (error) {
    throw lostUnlessStopped(error, signal);
  }
}

/** The header that carries a key, if there is one. */
export function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** What a response other than a success says. */
export async function refusal(response) {
  const error = await response
    .json()
    .then((body) => body?.error)
    .catch(() => null);
  return new Refused(response.status, error, seconds(response.headers.get("Retry-After")));
}

/** `Retry-After` in seconds, which may be a date. */
function seconds(header) {
  if (header === null) return undefined;
  const number = Number(header);
  const wait = Number.isFinite(number) ? number : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Lost("an event is no JSON");
  }
}

function* pieces(chunk) {
  const choice = chunk.choices?.[0];
  if (choice?.delta?.reasoning_content) yield { thought: choice.delta.reasoning_content };
  if (choice?.delta?.content) yield { text: choice.delta.content };
  if (chunk.usage) yield { tokens: chunk.usage.completion_tokens };
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage && !choice) yield { usage: chunk.usage };
}

/** The data of server-sent events; comments, which keep the connection open, are none. */
async function* events(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        throw lostUnlessStopped(error, signal);
      });
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        } else if (line === "" && data.length > 0) {
          yield data.join("\n");
          data = [];
        }
      }
    }
  } finally {
    // Whoever stops reading ends the request, by which the server stops computing.
    reader.cancel().catch(() => {});
  }
}

function lostUnlessStopped(error, signal) {
  return signal.aborted ? signal.reason : new Lost(error.message);
}
