// What a person does with a token: look at an account, stop what happens on it, follow it.

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

const { BotTradingClient, KeyManagementClient, PublicClient } = sdk;

let service;

before(async () => {
  service = await startService({ rest: true, settings: NO_RATES });
});

beforeEach(() => service.start());

after(() => service?.stop());

test("a person reads the account that is named, and the first where none is", async () => {
  const { token, manager, client } = await newPerson(service);
  await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  const second = await manager.openAccount();
  const ofSecond = new BotTradingClient({
    token,
    accountId: second.bot_user_id,
    baseUrl: service.rest,
  });
  const ofFirst = new BotTradingClient({ token, baseUrl: service.rest });

  assert.equal((await ofSecond.account()).bot_user_id, second.bot_user_id);
  assert.equal((await ofSecond.portfolio()).positions.length, 0);
  assert.equal((await ofFirst.portfolio()).positions.length, 1);
  assert.equal((await ofFirst.limits()).bot_key, null);
});

test("a person cancels what a bot placed, and places nothing", async () => {
  const { token, client } = await newPerson(service);
  const order = await client.placeOrder({ symbol: "KO", ...RESTING });
  await client.placeOrder({ symbol: "SPY", ...RESTING });
  const { bot_user_id: accountId } = await client.account();
  const person = new BotTradingClient({ token, accountId, baseUrl: service.rest });

  assert.equal((await person.cancelOrder(order.id)).status, "CANCELLED");
  assert.deepEqual((await person.cancelAllOrders()).map(({ symbol }) => symbol), ["SPY"]);
  const placing = await rejection(person.placeOrder({ symbol: "KO", ...RESTING }));
  assert.equal(placing.reason, "BOT_KEY_REQUIRED");
  const unnamed = new BotTradingClient({ token, baseUrl: service.rest });
  assert.equal((await rejection(unnamed.cancelAllOrders())).reason, "ACCOUNT_ID_REQUIRED");
});

test("a person follows an account over a crash, and is told of it", async () => {
  const { token, client } = await newPerson(service);
  const { bot_user_id: accountId } = await client.account();
  const person = new BotTradingClient({ token, accountId, baseUrl: service.rest });
  const connections = [];
  const updates = person.orderUpdates({
    afterSequence: 0,
    onConnectionChange: (isConnected) => connections.push(isConnected),
  });
  await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  const seen = await take(3, { [Symbol.asyncIterator]: () => ({ next: () => updates.next() }) });
  assert.deepEqual(connections, [true]);
  const next = await during(updates.next(), async () => {
    await service.kill();
    await service.start();
    await client.placeOrder({ symbol: "KO", side: "BUY", quantity: "1" });
  });
  seen.push(next.value);
  await updates.return();

  assert.deepEqual(seen.map(({ sequence }) => sequence), [1, 2, 3, 4]);
  assert.deepEqual(connections.slice(0, 3), [true, false, true]);
});

test("a token and a key together are refused before anything is sent", () => {
  const both = { token: "a", botKey: "tvt_b", baseUrl: "http://127.0.0.1:1" };

  assert.throws(() => new BotTradingClient(both), TypeError);
});

test("a sign-in that got no answer is not repeated, because its token may be used", async (t) => {
  const network = await Network.before(service);
  t.after(() => network.close());
  network.loseAnswers(1);
  const client = new KeyManagementClient({ token: "a.b.c", baseUrl: network.url });

  assert.ok((await rejection(client.signIn())) instanceof sdk.OutcomeUnknown);
  assert.deepEqual(network.requests, ["POST /sign-in"]);
});

test("a close is repeated under the same id, which the error holds if no answer comes", async (t) => {
  const network = await Network.before(service);
  t.after(() => network.close());
  network.loseAnswers();
  const options = { token: "a.b.c", accountId: "x", baseUrl: network.url, timeoutMs: 500 };
  const closing = new BotTradingClient(options).closePosition("AAPL", { percentage: "50" });
  const unknown = await rejection(closing);

  assert.ok(unknown instanceof sdk.OutcomeUnknown);
  const path = `DELETE /positions/AAPL?percentage=50&client_order_id=${unknown.clientOrderId}`;
  assert.ok(network.requests.length > 1);
  assert.deepEqual([...new Set(network.requests)], [path]);
});

test("an order has an id of its own where the browser makes none", async (t) => {
  const { client } = await newPerson(service);
  const { randomUUID } = crypto;
  t.after(() => (crypto.randomUUID = randomUUID));
  crypto.randomUUID = undefined;
  const order = await client.placeOrder({ symbol: "KO", ...RESTING });
  const other = await client.placeOrder({ symbol: "KO", ...RESTING });

  assert.match(order.client_order_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(order.client_order_id, other.client_order_id);
});

test("the public leaderboard is read without any credential", async () => {
  const refused = await rejection(new PublicClient({ baseUrl: service.rest }).leaderboard());

  assert.ok(refused instanceof sdk.AuthenticationFailed);
});
