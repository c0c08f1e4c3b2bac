// What happens when answers are lost, late or refused for the rate.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import * as sdk from "../dist/index.js";
import { freePorts } from "../../../tests/clients/node/support/service.js";
import {
  during,
  Network,
  newPerson,
  NO_RATES,
  rejection,
  RESTING,
  startService,
  take,
} from "./support.js";

const ORDER = { symbol: "KO", ...RESTING };
const SOON = { timeoutMs: 500 };
const NOT_EXECUTED = JSON.stringify({ error: { reason: "UNAVAILABLE", executed: false } });

let service;
let network;

before(async () => {
  service = await startService({ rest: true, settings: NO_RATES });
});

beforeEach(async () => {
  await service.start();
  network = await Network.before(service);
});

afterEach(() => network.close());

after(() => service?.stop());

test("an order whose answers are lost is placed again, and is one order", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.loseAnswers(3);
  const order = await client.placeOrder(ORDER);

  assert.equal(order.replayed, true);
  assert.deepEqual(network.requests, Array(4).fill("POST /orders"));
  assert.deepEqual((await take(9, client.orders())).map(({ id }) => id), [order.id]);
});

test("an order without any answer has an unknown outcome and an id to look it up by", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  for (const fault of ["loseAnswers", "swallowAnswers"]) {
    network[fault]();
    const error = await rejection(client.placeOrder(ORDER, SOON));
    network.heal();

    assert.ok(error instanceof sdk.OutcomeUnknown, fault);
    const { id, status } = await client.orderByClientId(error.clientOrderId);
    assert.equal(status, "OPEN");
    const again = await client.placeOrder({ ...ORDER, client_order_id: error.clientOrderId });
    assert.deepEqual([again.id, again.replayed], [id, true]);
  }
});

test("an outcome stays unknown when a later attempt is refused", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.loseAnswers(1);
  network.answer(401, {}, "{}");
  const error = await rejection(client.placeOrder(ORDER));

  assert.ok(error instanceof sdk.OutcomeUnknown);
  assert.ok(error.cause instanceof sdk.AuthenticationFailed);
});

test("a change that would be made twice is made once, and its outcome is unknown", async () => {
  const { token } = await newPerson(service);
  const manager = new sdk.KeyManagementClient({ token, baseUrl: network.url });
  network.loseAnswers(1);
  const error = await rejection(manager.createKey({ label: "second" }));

  assert.ok(error instanceof sdk.OutcomeUnknown);
  assert.equal(error.clientOrderId, undefined);
  assert.deepEqual((await manager.keys()).filter(({ label }) => label === "second").length, 1);
  assert.deepEqual(network.requests, ["POST /keys", "GET /keys"]);
});

test("a change is made again when the last attempt certainly did not arrive", async (t) => {
  const { token } = await newPerson(service);
  const [port] = await freePorts(1);
  const baseUrl = `http://127.0.0.1:${port}`;
  const manager = new sdk.KeyManagementClient({ token, baseUrl });
  const made = await during(manager.createKey({ label: "second" }), async () => {
    // This one is refused after the client's first attempt.
    await rejection(fetch(baseUrl));
    const late = await Network.before(service, port);
    t.after(() => late.close());
  });

  assert.equal(made.label, "second");
});

test("a change is made once when it came while the engine restarted", async (t) => {
  const { token } = await newPerson(service);
  const manager = new sdk.KeyManagementClient({ token, baseUrl: network.url, timeoutMs: 30_000 });
  const release = await service.holdEngine();
  t.after(release);
  const made = await during(manager.createKey({ label: "second" }), async () => {
    await network.answered(503);
    release();
  });

  assert.equal(made.label, "second");
  assert.ok(network.requests.length > 1);
  assert.deepEqual((await manager.keys()).map(({ label }) => label), ["second", "bot"]);
});

test("what the server did not execute is sent again, and is no unknown outcome", async () => {
  const { token, client } = await newPerson(service, { baseUrl: network.url });
  const manager = new sdk.KeyManagementClient({ token, baseUrl: network.url });
  network.answer(503, { "retry-after": "0" }, NOT_EXECUTED);
  assert.equal((await manager.createKey({ label: "second" })).label, "second");

  network.answer(503, { "retry-after": "60" }, NOT_EXECUTED);
  const never = await rejection(client.placeOrder(ORDER));
  assert.deepEqual([never.constructor, never.isNotExecuted], [sdk.ServiceUnavailable, true]);
});

test("an outcome stays unknown when a later attempt is not executed", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.loseAnswers(1);
  network.answer(503, { "retry-after": "60" }, NOT_EXECUTED);
  const error = await rejection(client.placeOrder(ORDER));

  assert.deepEqual([error.constructor, error.isNotExecuted], [sdk.OutcomeUnknown, false]);
  assert.equal(error.cause.isNotExecuted, true);
});

test("what reads is read again, and late answers are a missed deadline", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.loseAnswers(2);
  assert.equal((await client.account()).status, "ACTIVE");

  network.swallowAnswers();
  const late = await rejection(client.account(SOON));
  assert.ok(late instanceof sdk.DeadlineExceeded);
  assert.equal(late.reason, "DEADLINE_EXCEEDED");
  network.heal();
  network.loseAnswers();
  assert.ok((await rejection(client.account(SOON))) instanceof sdk.ServiceUnavailable);
});

test("a refusal for the rate is waited for as long as it asks", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.answer(429, { "retry-after": "1" }, JSON.stringify({ type: "rate_limit_error" }));
  const began = performance.now();
  await client.account();

  assert.ok(performance.now() - began >= 1_000);
  assert.equal(network.requests.length, 2);
});

test("a refusal for the rate is told at once where the wait would be too long", async () => {
  const limited = await startService({
    rest: true,
    settings: { BOTTRADING_ORDERS_PER_MINUTE: "1" },
  });
  try {
    const { client } = await newPerson(limited);
    await client.placeOrder(ORDER);
    const error = await rejection(client.placeOrder(ORDER));

    assert.ok(error instanceof sdk.RateLimited);
    assert.equal(error.reason, "ORDER_RATE_EXCEEDED");
    assert.ok(error.retryAfterSeconds >= 10 && error.retryAfterSeconds <= 60);
  } finally {
    await limited.stop();
  }
});

test("a used-up quota is not tried again", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  const refusal = {
    type: "quota_exceeded",
    message: "The calls of the day are used up.",
    error: { reason: "DAILY_QUOTA_EXCEEDED", violations: [] },
  };
  network.answer(429, { "retry-after": "1" }, JSON.stringify(refusal));
  const error = await rejection(client.account());

  assert.ok(error instanceof sdk.QuotaExceeded);
  assert.equal(error.message, refusal.message);
  assert.equal(network.requests.length, 1);
});

test("a call can be given up, also while it waits", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.swallowAnswers(1);
  network.answer(429, { "retry-after": "5" }, "{}");
  for (const _ of ["on its way", "between two attempts"]) {
    const error = await rejection(client.account({ signal: AbortSignal.timeout(200) }));
    assert.equal(error.name, "TimeoutError");
  }
  assert.equal(network.requests.length, 2);
});

test("a key does not follow a redirect", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  network.answer(307, { location: `${service.rest}/api/v1/bot/account` }, "", Infinity);

  assert.ok((await rejection(client.account(SOON))) instanceof sdk.BotTradingError);
});
