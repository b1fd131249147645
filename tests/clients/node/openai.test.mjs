// The official OpenAI client for Node: each call, and what it does to the ledger.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import OpenAI from "openai";
import { startDemo, units, until } from "./sycee.mjs";

const messages = [{ role: "user", content: "Where does the money of one token go? 一个词元的钱去哪里了？" }];
const quick = { first_token_ms: 0, tokens_per_second: 0, never_stops: null, gate_open: null, fail: null };
const sum = (receipt, names) => names.reduce((total, name) => total + (receipt.buckets[name] ?? 0), 0);
const inputs = (receipt) => sum(receipt, ["input_uncached", "cache_read"]);
const outputs = (receipt) => sum(receipt, ["output_visible", "output_reasoning"]);

let demo, consumer, start, ask;
before(async () => {
  demo = await startDemo();
});
after(() => demo?.stop());
beforeEach(async () => {
  await demo.behave(quick);
  consumer = await demo.consumer("10.000000000");
  start = await consumer.balance();
  ask = { model: demo.ready.models.chat, messages, max_tokens: 40 };
});

test("chat", async () => {
  const { data, response } = await consumer.client().chat.completions.create(ask).withResponse();
  assert.ok(data.choices[0].message.content);
  assert.ok(response.headers.get("x-request-id"));
  const receipt = await consumer.settled(start, response.headers.get("x-sycee-receipt"));
  assert.deepEqual([inputs(receipt), outputs(receipt)], [data.usage.prompt_tokens, data.usage.completion_tokens]);
});

test("stream without usage", async () => {
  const { data, response } = await consumer.client().chat.completions.create({ ...ask, stream: true }).withResponse();
  let text = "";
  for await (const chunk of data) {
    assert.equal(chunk.usage ?? null, null);
    assert.equal(chunk.choices.length, 1);
    text += chunk.choices[0].delta.content ?? "";
  }
  assert.ok(text);
  const receipt = await consumer.settled(start, response.headers.get("x-sycee-receipt"));
  assert.ok(outputs(receipt) > 0);
});

test("stream with usage", async () => {
  const { data, response } = await consumer
    .client()
    .chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })
    .withResponse();
  const chunks = await Array.fromAsync(data);
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(chunks.every((chunk) => chunk.usage === null && chunk.choices.length === 1));
  const receipt = await consumer.settled(start, response.headers.get("x-sycee-receipt"));
  assert.deepEqual([inputs(receipt), outputs(receipt)], [last.usage.prompt_tokens, last.usage.completion_tokens]);
});

test("the client's own stream helper adds a stream up", async () => {
  const runner = consumer.client().chat.completions.stream({ ...ask, stream_options: { include_usage: true } });
  const whole = await runner.finalChatCompletion();
  assert.ok(whole.choices[0].message.content && whole.usage.completion_tokens > 0);
});

test("embeddings", async () => {
  const body = { model: demo.ready.models.embedding, input: ["词元", "token", "🙂"] };
  const { data, response } = await consumer.client().embeddings.create(body).withResponse();
  assert.equal(data.data.length, 3);
  assert.ok(data.data.every((item) => item.embedding.length > 3 && item.embedding.every(Number.isFinite)));
  const receipt = await consumer.settled(start, response.headers.get("x-sycee-receipt"));
  assert.equal(receipt.buckets.input_uncached, data.usage.prompt_tokens);
  assert.equal(outputs(receipt), 0);
});

test("models", async () => {
  const client = consumer.client();
  const names = (await Array.fromAsync(await client.models.list())).map((model) => model.id);
  for (const name of Object.values(demo.ready.models)) assert.ok(names.includes(name), name);
  assert.equal((await client.models.retrieve(names[0])).id, names[0]);
  await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
  await consumer.untouched(start);
});

test("401", async () => {
  const client = consumer.client({ apiKey: `sk-sycee-${"A".repeat(43)}` });
  await assert.rejects(client.chat.completions.create(ask), (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");
  await consumer.untouched(start);
});

test("402, and the client does not try again", async () => {
  const poor = await demo.consumer("0.000000000");
  const begun = await poor.balance();
  let calls = 0;
  const counting = (...request) => (calls++, fetch(...request));
  const client = poor.client({ maxRetries: 2, fetch: counting });
  await assert.rejects(client.chat.completions.create(ask), (error) => error.status === 402 && error.code === "insufficient_quota");
  assert.equal(calls, 1);
  await poor.untouched(begun);
});

test("404", async () => {
  await assert.rejects(
    consumer.client().chat.completions.create({ ...ask, model: "no-such-model" }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  await consumer.untouched(start);
});

test("429 while the money is held, and a retry that gets through", async () => {
  await demo.behave({ gate_open: false });
  const probe = consumer.client().chat.completions.create(ask);
  const { held } = await until(async () => {
    const now = await consumer.balance();
    return now.held > 0n && now;
  }, "a hold");
  const text = held.toString().padStart(10, "0");
  const tight = await demo.consumer(`${text.slice(0, -9)}.${text.slice(-9)}`);
  const begun = await tight.balance();
  const first = tight.client().chat.completions.create(ask).withResponse();
  await until(async () => (await tight.balance()).held > 0n, "the first to hold all of it");
  await assert.rejects(
    tight.client().chat.completions.create(ask),
    (error) => error instanceof OpenAI.RateLimitError && error.code === "in_flight_budget" && Number(error.headers.get("retry-after")) <= 120,
  );
  await demo.behave({ gate_open: true });
  await probe;
  const { response } = await first;
  const receipt = await tight.settled(begun, response.headers.get("x-sycee-receipt"));
  assert.ok(units(receipt.total) <= held);
});

test("cancel in the middle of a stream", async () => {
  await demo.behave({ tokens_per_second: 200, never_stops: true });
  const { data, response } = await consumer.client().chat.completions.create({ ...ask, max_tokens: 2000, stream: true }).withResponse();
  let chunks = 0;
  for await (const chunk of data) {
    if (chunk.choices[0]?.delta.content && ++chunks === 10) break;
  }
  const receipt = await consumer.settled(start, response.headers.get("x-sycee-receipt"));
  assert.equal(receipt.finish, "cancelled");
  assert.ok(outputs(receipt) >= 10 && outputs(receipt) < 400, `${outputs(receipt)} tokens`);
  assert.ok(units(receipt.total) < units(receipt.hold));
});
