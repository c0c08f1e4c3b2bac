// Streams that are followed through breaks of any kind.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import * as sdk from "../dist/index.js";
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

let service;

before(async () => {
  service = await startService({ rest: true, settings: NO_RATES });
});

beforeEach(() => service.start());

after(() => service?.stop());

const buy = (client, symbol) => client.placeOrder({ symbol, side: "BUY", quantity: "1" });
const line = ({ sequence, kind, type, order }) =>
  [sequence, type ?? kind, order?.symbol].filter((word) => word !== undefined).join(" ");

test("a stream survives ten restarts without losing or repeating an update", async () => {
  const { client } = await newPerson(service, { timeoutMs: 30_000 });
  const updates = client.orderUpdates({ afterSequence: 0 });
  const expected = ["1 OPENED"];
  const received = [];
  const order = async (symbol) => {
    await buy(client, symbol);
    const next = expected.length + 1;
    expected.push(`${next} ACCEPTED ${symbol}`, `${next + 1} FILLED ${symbol}`);
  };
  const receive = async (count) => {
    while (received.length < count) received.push(line((await updates.next()).value));
  };

  for (let round = 0; round < 10; round += 1) {
    await order("AAPL");
    // In some rounds the reader has read everything before the service ends, in others not.
    await receive(expected.length - (round % 3));
    await (round % 2 ? service.kill() : service.terminate());
    await service.start();
    await order("KO");
    await order("SPY");
    await receive(expected.length - 1);
  }
  await receive(expected.length);
  // No other event comes: the next one is that of the next change.
  await order("MSFT");
  await receive(expected.length);
  await updates.return();

  assert.equal(expected.length, 63);
  assert.deepEqual(received, expected);
  assert.equal(updates.lastSequence, 63);
});

test("a stream that is open misses nothing from then on", async () => {
  const { client } = await newPerson(service);
  await buy(client, "AAPL");
  const updates = await client.orderUpdates().open();
  assert.equal(updates.lastSequence, 3);
  await buy(client, "KO");

  assert.deepEqual((await take(2, updates)).map(line), ["4 ACCEPTED KO", "5 FILLED KO"]);
});

test("an update has the order as it was, and its fill", async () => {
  const { client } = await newPerson(service);
  const order = await buy(client, "AAPL");
  const [, accepted, filled] = await take(3, client.orderUpdates({ afterSequence: 0 }));

  assert.deepEqual([accepted.order.status, accepted.fill], ["OPEN", null]);
  assert.deepEqual(filled.order, order);
  assert.equal(filled.fill.order_id, order.id);
});

test("updates of other symbols are left out, of the account never", async () => {
  const { client } = await newPerson(service);
  for (const symbol of ["AAPL", "KO"]) await buy(client, symbol);
  const updates = client.orderUpdates({ afterSequence: 0, symbols: ["KO", "SPY"] });

  assert.deepEqual((await take(3, updates)).map(line), ["1 OPENED", "4 ACCEPTED KO", "5 FILLED KO"]);
});

test("a snapshot begins with the live orders, and comes once", async () => {
  const { client } = await newPerson(service);
  for (const symbol of ["AAPL", "KO"]) await client.placeOrder({ symbol, ...RESTING });
  const updates = client.orderUpdates({ includeSnapshot: true });
  const seen = [(await updates.next()).value, (await updates.next()).value];
  await buy(client, "SPY");
  seen.push((await updates.next()).value);
  await service.kill();
  await service.start();
  seen.push((await updates.next()).value);
  await buy(client, "KO");
  seen.push(...(await take(2, updates)));

  assert.deepEqual(seen.map(line), [
    "3 snapshot_order AAPL",
    "3 snapshot_order KO",
    "4 ACCEPTED SPY",
    "5 FILLED SPY",
    "6 ACCEPTED KO",
    "7 FILLED KO",
  ]);
});

test("a stream ends with an error where opening it again cannot help", async () => {
  const { client, manager, keyId } = await newPerson(service);
  const future = await rejection(client.orderUpdates({ afterSequence: 7 }).next());
  assert.ok(future instanceof sdk.Conflict);
  assert.equal(future.reason, "SEQUENCE_IN_FUTURE");
  assert.equal((await rejection(client.quoteUpdates(["NOPE"]).next())).reason, "SYMBOL_UNKNOWN");

  const updates = await client.orderUpdates().open();
  const ended = during(updates.next(), () => manager.revokeKey(keyId));
  assert.ok((await rejection(ended)) instanceof sdk.AuthenticationFailed);
  assert.deepEqual(await updates.next(), { done: true, value: undefined });
});

test("a first connection that does not come within the timeout is an error", async () => {
  const { client } = await newPerson(service, { timeoutMs: 300 });
  await service.terminate();

  assert.ok((await rejection(client.orderUpdates().next())) instanceof sdk.ServiceUnavailable);
});

test("a stream that is left is closed, and one whose signal is aborted too", async () => {
  const { client } = await newPerson(service);
  const abort = new AbortController();
  const updates = await client.orderUpdates({ signal: abort.signal }).open();
  await take(1, client.quoteUpdates(["AAPL"]));
  const ended = during(updates.next(), () => abort.abort());

  assert.equal((await rejection(ended)).name, "AbortError");
  while ((await client.limits()).streams.used > 0);
});

test("a stream on which nothing comes any more is opened again", async (t) => {
  const network = await Network.before(service);
  t.after(() => network.close());
  const { client } = await newPerson(service, { baseUrl: network.url });
  const updates = await client.orderUpdates().open();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const next = await during(updates.next(), async () => {
    // Three heartbeats, of which the first is still to come.
    t.mock.timers.tick(45_000);
    const patience = performance.now() + 10_000;
    while (network.requests.length < 2) {
      assert.ok(performance.now() < patience, "the stream was not opened again");
      await new Promise(setImmediate);
      t.mock.timers.tick(100);
    }
    await buy(client, "KO");
  });

  assert.equal(line(next.value), "2 ACCEPTED KO");
  const path = "GET /order-updates";
  assert.deepEqual(network.requests.slice(0, 2), [path, `${path}?after_sequence=1`]);
  await updates.return();
});

test("quotes come at once and as they change, each once, whatever breaks", async (t) => {
  const network = await Network.before(service);
  t.after(() => network.close());
  const { client } = await newPerson(service, { baseUrl: network.url });
  const symbols = ["AAPL", "BTC-USD"];
  const quotes = client.quoteUpdates(symbols);
  const seen = [];
  const changes = async (count) => {
    while (seen.length < count) seen.push((await quotes.next()).value);
  };
  await changes(2);
  network.cut();
  await changes(6);
  await service.kill();
  await service.start();
  await changes(12);
  await quotes.return();

  assert.deepEqual([...new Set(seen.map(({ symbol }) => symbol))].sort(), symbols);
  assert.equal(new Set(seen.map((quote) => JSON.stringify(quote))).size, seen.length);
});
