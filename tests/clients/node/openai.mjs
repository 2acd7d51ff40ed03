// The npm package `openai`.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { KEY, KEYED_URL, NARROW_URL, URL, check, needs, rejection } from "./check.mjs";

const at = (url, more = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-any", maxRetries: 0, timeout: 120_000, ...more });
const client = at(URL);
const messages = [{ role: "user", content: "Say hello." }];
const short = { model: "model", messages, temperature: 0, max_tokens: 16 };
const ask = (more = {}) => client.chat.completions.create({ ...short, ...more });

await check("chat: whole", async () => {
  const answer = await ask();
  const [choice] = answer.choices;
  assert.equal(answer.object, "chat.completion");
  assert.equal(choice.message.role, "assistant");
  assert.ok(choice.message.content && ["stop", "length"].includes(choice.finish_reason));
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

await check("streamed chat: role, text, reason, usage where it is asked for", async () => {
  const whole = await ask();
  const chunks = [];
  for await (const chunk of await ask({ stream: true })) chunks.push(chunk);
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
  assert.deepEqual(chunks[0].choices[0].delta, { role: "assistant", content: "" });
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
  let last;
  for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) last = chunk;
  assert.deepEqual([last.choices, last.usage.completion_tokens], [[], whole.usage.completion_tokens]);
});

await check("streamed chat: the client's own accumulation", async () => {
  const runner = client.chat.completions.stream(short);
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, (await ask()).choices[0].message.content);
});

const Host = z.object({ system: z.enum(["openEuler", "Debian"]), cores: z.number().int().min(1).max(512) });

await check("parse: a schema", async () => {
  const fields = { ...short, max_tokens: 100, response_format: zodResponseFormat(Host, "host") };
  const answer = await client.chat.completions.parse(fields);
  Host.parse(answer.choices[0].message.parsed);
  const final = await client.chat.completions.stream(fields).finalChatCompletion();
  Host.parse(final.choices[0].message.parsed);
});

const Weather = z.object({ city: z.enum(["Beijing", "Paris"]) });
const forced = {
  max_tokens: 100,
  tools: [zodFunction({ name: "get_weather", parameters: Weather })],
  tool_choice: { type: "function", function: { name: "get_weather" } },
};

await check("tools: a call that must be", async () => {
  const answer = await client.chat.completions.parse({ ...short, ...forced });
  const [call] = answer.choices[0].message.tool_calls;
  assert.ok(call.id && call.type === "function" && call.function.name === "get_weather");
  Weather.parse(call.function.parsed_arguments);
  const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
  const more = { messages: [...messages, answer.choices[0].message, result] };
  assert.ok((await ask(more)).choices[0].message.content);
});

await check("tools: streamed, in pieces under one id and index", async () => {
  let id, pieces = "";
  for await (const chunk of await ask({ ...forced, stream: true })) {
    for (const part of chunk.choices[0].delta.tool_calls ?? []) {
      assert.equal(part.index, 0);
      assert.ok(id === undefined ? part.id : part.id === undefined || part.id === id);
      id ??= part.id;
      pieces += part.function?.arguments ?? "";
    }
  }
  Weather.parse(JSON.parse(pieces));
});

await check("tools: run by the client until there is an answer", async () => {
  let calls = 0;
  const tool = zodFunction({
    name: "get_weather",
    parameters: Weather,
    function: () => { calls += 1; return "sunny"; },
  });
  const runner = client.chat.completions.runTools({ ...short, ...forced, tools: [tool] }, { maxChatCompletions: 2 });
  await runner.done();
  assert.ok(calls >= 1);
});

await check("completions: whole and streamed", async () => {
  const fields = { model: "model", prompt: "Once upon a", temperature: 0, max_tokens: 8 };
  const whole = await client.completions.create(fields);
  let text = "";
  for await (const chunk of await client.completions.create({ ...fields, stream: true })) text += chunk.choices[0].text;
  assert.ok(text);
  assert.equal(text, whole.choices[0].text);
});

const response = { model: "model", input: "Say hello.", temperature: 0, max_output_tokens: 16, store: false };

await check("responses: whole and streamed", async () => {
  const whole = await client.responses.create(response);
  assert.ok(whole.output_text);
  let text = "", last;
  for await (const event of await client.responses.create({ ...response, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.ok(["response.completed", "response.incomplete"].includes(last.type), last.type);
  // The client takes a response for one that never came, if it was cut.
  const final = await client.responses.stream({ ...response, max_output_tokens: 200 }).finalResponse();
  assert.ok(final.output_text.startsWith(text));
});

await check("embeddings: as the client asks, and floats", async () => {
  const fields = { model: "model", input: ["openEuler", "a cat"] };
  const coded = await client.embeddings.create(fields);
  const floats = await client.embeddings.create({ ...fields, encoding_format: "float" });
  assert.equal(coded.data.length, 2);
  coded.data.forEach((item, index) => {
    const wanted = floats.data[index].embedding;
    assert.equal(item.embedding.length, wanted.length);
    item.embedding.forEach((value, at) => assert.ok(Math.abs(value - wanted[at]) < 1e-5));
  });
});

await check("models: listed, and found by their names", async () => {
  const { data: [model] } = await client.models.list();
  assert.equal((await client.models.retrieve(model.id)).id, model.id);
  assert.ok(await rejection(client.models.retrieve("nobody")) instanceof OpenAI.NotFoundError);
});

await check("errors: 400, 401, and what they carry", async () => {
  const error = await rejection(ask({ temperature: 5 }));
  assert.ok(error instanceof OpenAI.BadRequestError && error.requestID);
  assert.deepEqual([error.param, error.type], ["temperature", "invalid_request_error"]);
  const keyed = at(needs(KEYED_URL, "server with a key"));
  assert.ok(await rejection(keyed.models.list()) instanceof OpenAI.AuthenticationError);
  assert.ok((await keyed.withOptions({ apiKey: KEY }).models.list()).data.length);
});

/** Streams that run and wait, as many as the narrow server takes. */
async function occupy(url) {
  const fields = { ...short, stream: true, max_tokens: 1500, ignore_eos: true };
  const runs = await at(url).chat.completions.create(fields);
  // The first token shows that it left the queue.
  const chunks = runs[Symbol.asyncIterator]();
  while (!(await chunks.next()).value.choices[0].delta.content);
  return [runs, await at(url).chat.completions.create(fields)];
}

await check("retries: 429 with retry-after, and the client's own one succeeds", async () => {
  const url = needs(NARROW_URL, "narrow server");
  const streams = await occupy(url);
  const statuses = [];
  const look = async (...request) => {
    const answer = await fetch(...request);
    statuses.push(answer.status);
    if (answer.status === 429) {
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
      streams.forEach((stream) => stream.controller.abort());
    }
    return answer;
  };
  const patient = at(url, { maxRetries: 2, fetch: look });
  const answer = await patient.chat.completions.create({ ...short, max_tokens: 1 });
  assert.ok(answer.choices.length);
  assert.deepEqual(statuses, [429, 200]);
});

await check("leaving: streams and whole answers that are given up compute no more", async () => {
  const busy = at(needs(NARROW_URL, "narrow server"));
  const long = { ...short, max_tokens: 800, ignore_eos: true };
  let began = performance.now();
  await busy.chat.completions.create(long);
  const whole = performance.now() - began;
  began = performance.now();
  for (const stream of [true, false, true, false]) {
    const controller = new AbortController();
    const request = busy.chat.completions.create({ ...long, stream }, { signal: controller.signal });
    if (stream) {
      for await (const chunk of await request) if (chunk.choices[0].delta.content) break;
    } else {
      setTimeout(() => controller.abort(), 50);
      await rejection(request);
    }
  }
  await busy.chat.completions.create({ ...short, max_tokens: 1 });
  const left = performance.now() - began;
  assert.ok(left < whole, `four that were left took ${left} ms, one whole answer ${whole} ms`);
});
