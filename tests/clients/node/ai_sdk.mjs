// The npm packages `ai` and `@ai-sdk/openai-compatible`.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embed, embedMany, generateText, jsonSchema, streamText, tool } from "ai";

import { KEY, KEYED_URL, NARROW_URL, URL, check, needs, rejection } from "./check.mjs";

const at = (url, apiKey = "sk-any") =>
  createOpenAICompatible({ name: "sysinfer", baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const provider = at(URL);
const short = { model: provider("model"), prompt: "Say hello.", temperature: 0, maxOutputTokens: 16, maxRetries: 0 };

await check("chat: whole", async () => {
  const answer = await generateText(short);
  assert.ok(answer.text && ["stop", "length"].includes(answer.finishReason));
  assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0);
});

await check("chat: streamed, with usage", async () => {
  const whole = await generateText(short);
  const answer = streamText(short);
  let text = "";
  for await (const piece of answer.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal((await answer.usage).outputTokens, whole.usage.outputTokens);
  assert.equal(await answer.finishReason, whole.finishReason);
});

const host = jsonSchema({
  type: "object",
  properties: { system: { enum: ["openEuler", "Debian"] }, cores: { type: "integer", minimum: 1, maximum: 512 } },
  required: ["system", "cores"],
  additionalProperties: false,
});

await check("structured output: whole and streamed", async () => {
  const fields = { ...short, maxOutputTokens: 100, output: Output.object({ schema: host }) };
  const known = ({ system, cores }) => ["openEuler", "Debian"].includes(system) && cores >= 1 && cores <= 512;
  assert.ok(known((await generateText(fields)).output));
  const answer = streamText(fields);
  let last;
  for await (const part of answer.partialOutputStream) last = part;
  assert.ok(known(last));
});

const weather = tool({
  description: "The weather of a city.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { enum: ["Beijing", "Paris"] } }, required: ["city"], additionalProperties: false }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const forced = { ...short, maxOutputTokens: 100, tools: { weather }, toolChoice: { type: "tool", toolName: "weather" } };

await check("tools: a call that must be, whole and streamed, and its result", async () => {
  const answer = await generateText(forced);
  const [call] = answer.toolCalls;
  assert.ok(call.toolCallId && ["Beijing", "Paris"].includes(call.input.city));
  assert.match(answer.toolResults[0].output, /^sunny/);
  const question = { role: "user", content: short.prompt };
  const more = await generateText({ ...short, prompt: undefined, messages: [question, ...answer.response.messages] });
  assert.ok(more.text);
  const kinds = [];
  for await (const part of streamText(forced).fullStream) kinds.push(part.type);
  assert.ok(kinds.includes("tool-call") && kinds.includes("tool-result") && !kinds.includes("error"), kinds.join());
});

await check("completions", async () => {
  const fields = { ...short, model: provider.completionModel("model"), prompt: "Once upon a" };
  assert.ok((await generateText(fields)).text);
});

await check("embeddings", async () => {
  const model = provider.embeddingModel("model");
  const { embeddings } = await embedMany({ model, values: ["openEuler", "a cat"], maxRetries: 0 });
  const { embedding } = await embed({ model, value: "openEuler", maxRetries: 0 });
  assert.equal(embeddings.length, 2);
  assert.equal(embeddings[0].length, embedding.length);
});

await check("errors: 400 and 401", async () => {
  const error = await rejection(generateText({ ...short, temperature: 5 }));
  assert.ok(APICallError.isInstance(error), error);
  assert.deepEqual([error.statusCode, error.isRetryable], [400, false]);
  assert.match(error.message, /temperature/);
  const keyed = needs(KEYED_URL, "server with a key");
  assert.equal((await rejection(generateText({ ...short, model: at(keyed)("model") }))).statusCode, 401);
  assert.ok((await generateText({ ...short, model: at(keyed, KEY)("model") })).text);
});

await check("retries: more than the server takes are all answered", async () => {
  const model = at(needs(NARROW_URL, "narrow server"))("model");
  const one = () => generateText({ ...short, model, maxOutputTokens: 200, maxRetries: 5 });
  const answers = await Promise.all([one(), one(), one(), one()]);
  assert.ok(answers.every((answer) => answer.text));
});

await check("leaving: a stream that is given up computes no more", async () => {
  const model = at(needs(NARROW_URL, "narrow server"))("model");
  const long = { ...short, model, maxOutputTokens: 800, providerOptions: { sysinfer: { ignore_eos: true } } };
  let began = performance.now();
  const { usage } = await generateText(long);
  assert.equal(usage.outputTokens, 800);
  const whole = performance.now() - began;
  began = performance.now();
  for (let time = 0; time < 4; time += 1) {
    const controller = new AbortController();
    const answer = streamText({ ...long, abortSignal: controller.signal, onError: () => {} });
    for await (const piece of answer.textStream) if (piece) break;
    controller.abort();
  }
  await generateText({ ...short, model, maxOutputTokens: 1 });
  const left = performance.now() - began;
  assert.ok(left < whole, `four that were left took ${left} ms, one whole answer ${whole} ms`);
});
