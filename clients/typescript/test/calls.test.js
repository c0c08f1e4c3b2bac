// Every call of a bot and of a person, against the real service.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import * as sdk from "../dist/index.js";
import { newPerson, NO_RATES, rejection, RESTING, startService, take } from "./support.js";

const { BotTradingClient, KeyManagementClient } = sdk;

let service;

before(async () => {
  service = await startService({ rest: true, settings: NO_RATES });
});

after(() => service?.stop());

test("an order is placed, and what it did is read", async () => {
  const { client } = await newPerson(service);
  const order = await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "10" });

  assert.equal(order.status, "FILLED", order.rejection_message);
  assert.equal(order.filled_quantity, "10.00000000");
  const [fill] = await take(1, client.fills({ order_id: order.id }));
  assert.equal(fill.quantity, "10.00000000");
  const { positions } = await client.portfolio();
  assert.deepEqual(positions.map(({ symbol }) => symbol), ["AAPL"]);
  const now = (await client.portfolioHistory({ period: "DAY" })).at(-1);
  assert.match(now.equity, /^\d+\.\d{2}$/);
  assert.equal((await client.kpi()).total_trades, 0);
  assert.equal((await client.account()).environment, "SIMULATED");
  assert.equal((await client.limits()).open_orders.used, 0);
});

test("a number that JavaScript computed is sent without the noise of floating point", async () => {
  const { client } = await newPerson(service);
  const noisy = { symbol: "AAPL", side: "BUY", quantity: 0.1 + 0.2 };

  assert.equal((await client.placeOrder(noisy)).quantity, "0.30000000");
});

test("a live order is found, replaced and cancelled", async () => {
  const { client } = await newPerson(service);
  const order = await client.placeOrder({ symbol: "KO", ...RESTING, client_order_id: "mine" });
  const replaced = await client.replaceOrder(order.id, { quantity: "2" });

  assert.equal(replaced.quantity, "2.00000000");
  assert.deepEqual(await client.order(order.id), replaced);
  assert.deepEqual(await client.orderByClientId("mine"), replaced);
  assert.equal((await client.cancelOrder(order.id)).status, "CANCELLED");
  assert.equal((await client.cancelOrder(order.id)).status, "CANCELLED");
});

test("all live orders are cancelled, or those of a symbol", async () => {
  const { client } = await newPerson(service);
  for (const symbol of ["KO", "AAPL", "AAPL"]) await client.placeOrder({ symbol, ...RESTING });

  const symbols = (orders) => orders.map(({ symbol }) => symbol);
  assert.deepEqual(symbols(await client.cancelAllOrders("KO")), ["KO"]);
  assert.deepEqual(symbols(await client.cancelAllOrders()), ["AAPL", "AAPL"]);
});

test("a fenced key cancels the orders of its instruments and tells how many it left", async () => {
  const { client, manager } = await newPerson(service);
  const { key } = await manager.createKey({ label: "fenced", allowed_symbols: ["KO"] });
  const fenced = new BotTradingClient({ botKey: key, baseUrl: service.rest });
  for (const symbol of ["KO", "AAPL", "AAPL"]) await client.placeOrder({ symbol, ...RESTING });

  const cancelled = await fenced.cancelAllOrders();
  assert.deepEqual(cancelled.map(({ symbol }) => symbol), ["KO"]);
  assert.equal(cancelled.skipped, 2);
  assert.equal((await client.cancelAllOrders()).skipped, 0);
});

test("positions are read, closed in part and all at once", async () => {
  const { client, manager } = await newPerson(service);
  const { key } = await manager.createKey({ label: "fenced", allowed_symbols: ["BTC-USD"] });
  const fenced = new BotTradingClient({ botKey: key, baseUrl: service.rest });
  await client.placeOrder({ symbol: "BTC-USD", side: "BUY", quantity: "0.01" });
  await client.placeOrder({ symbol: "ETH-USD", side: "BUY", quantity: "0.1" });

  const held = await client.positions();
  assert.deepEqual(held.map(({ symbol }) => symbol), ["BTC-USD", "ETH-USD"]);
  assert.equal((await client.position("BTC-USD")).quantity, "0.01000000");
  const part = await client.closePosition("ETH-USD", { percentage: "50" });
  const again = { percentage: 50, client_order_id: part.client_order_id };
  assert.equal((await client.closePosition("ETH-USD", again)).id, part.id);
  assert.equal(part.quantity, "0.05000000");

  const own = await fenced.closeAllPositions();
  assert.deepEqual(own.map(({ symbol }) => symbol), ["BTC-USD"]);
  assert.equal(own.skipped, 1);
  const rest = await client.closeAllPositions();
  assert.deepEqual(rest.map(({ symbol, quantity }) => [symbol, quantity]), [
    ["ETH-USD", "0.05000000"],
  ]);
  assert.equal(rest.skipped, 0);
});

test("an order has a client_order_id, made up where it is left out, and is placed once", async () => {
  const { client } = await newPerson(service);
  const request = { symbol: "KO", ...RESTING };
  const first = await client.placeOrder(request);
  const second = await client.placeOrder({ ...request, client_order_id: first.client_order_id });

  assert.match(first.client_order_id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(second, { ...first, replayed: true });
  assert.notEqual((await client.placeOrder(request)).client_order_id, first.client_order_id);
});

test("a preview says what an order would do, and a rejected order is no error", async () => {
  const { client } = await newPerson(service);
  const tooMuch = { symbol: "AAPL", side: "BUY", quantity: "100000" };
  const preview = await client.previewOrder(tooMuch);
  const order = await client.placeOrder(tooMuch);

  assert.deepEqual(preview.rejection_reasons, ["INSUFFICIENT_BUYING_POWER"]);
  assert.equal(preview.order.status, "REJECTED");
  assert.equal(order.status, "REJECTED");
  assert.equal(order.rejection_reason, "INSUFFICIENT_BUYING_POWER");
});

test("a listing goes over all pages, newest first, each order once", async () => {
  const { client } = await newPerson(service);
  const placed = [];
  for (let count = 0; count < 103; count += 1) {
    placed.unshift((await client.placeOrder({ symbol: "KO", ...RESTING })).id);
  }
  const ids = async (filter) => (await take(Infinity, client.orders(filter))).map(({ id }) => id);

  assert.deepEqual(await ids({ status: "OPEN" }), placed);
  assert.deepEqual(await ids({ limit: 102 }), placed.slice(0, 102));
  assert.deepEqual(await ids({ symbol: "AAPL" }), []);
  assert.equal((await rejection(ids({ limit: 0 }))).reason, "FIELD_INVALID");
});

test("the market is read", async () => {
  const { client } = await newPerson(service);

  assert.equal((await client.instruments({ query: "AAPL" }))[0].symbol, "AAPL");
  assert.equal((await client.quote("BTC-USD")).symbol, "BTC-USD");
  const quotes = await client.quotes(["KO", "AAPL"]);
  assert.deepEqual(quotes.map(({ symbol }) => symbol), ["KO", "AAPL"]);
  assert.equal((await client.bars("AAPL", { interval: "1D" })).at(-1).complete, false);
  assert.equal((await client.clock()).sessions.length, 6);
});

test("a ticket opens a stream without a key", async () => {
  const { client } = await newPerson(service);
  const { ticket } = await client.createStreamTicket();
  const url = `${service.rest}/api/trade/v1/bot/order-updates?ticket=${encodeURIComponent(ticket)}`;
  const response = await fetch(url);
  await response.body.cancel();

  assert.equal(response.status, 200);
});

test("keys are made, listed and revoked", async () => {
  const { manager, keyId, client } = await newPerson(service);
  assert.deepEqual((await manager.keys()).map(({ id }) => id), [keyId]);
  assert.ok((await manager.revokeKey(keyId)).revoked_at);

  const { key } = await manager.createKey({ label: "reader", scopes: ["READ"] });
  const reader = new BotTradingClient({ botKey: key, baseUrl: service.rest });
  const refused = await rejection(reader.placeOrder({ symbol: "KO", ...RESTING }));
  assert.ok(refused instanceof sdk.PermissionDenied);
  assert.equal(refused.reason, "KEY_SCOPE_MISSING");
  assert.ok((await rejection(client.account())) instanceof sdk.AuthenticationFailed);
});

test("an account is guarded, halted, paid into and reset", async () => {
  const { manager, client } = await newPerson(service);
  const [{ bot_user_id: id }] = await manager.accounts();
  const operator = new KeyManagementClient({
    token: service.token("operator", "--operator"),
    baseUrl: service.rest,
  });

  const rails = await manager.setGuardRails(id, { order_notional_max: "500" });
  assert.equal(rails.order_notional_max, "500.00");
  assert.equal((await manager.setTradingState(id, "HALTED")).trading_state, "HALTED");
  const mode = async (name) => (await manager.setMarginMode(id, name)).margin_mode;
  assert.deepEqual([await mode("MARGIN"), await mode("CASH")], ["MARGIN", "CASH"]);
  assert.equal((await operator.deposit(id, "5.50")).balance, "100005.50");
  assert.equal((await manager.resetAccount(id)).resets, 1);
  assert.equal((await client.account()).balance, "100000.00");
  const { bot_user_id: second } = await manager.openAccount();
  assert.deepEqual((await manager.accounts()).map((account) => account.bot_user_id), [id, second]);
});

test("a refusal is an error of its own class, with a reason that programs read", async () => {
  const { client, token } = await newPerson(service);
  const order = { symbol: "AAPL", side: "BUY", quantity: "1" };
  const filled = await client.placeOrder({ ...order, client_order_id: "taken" });
  const bot = (botKey) => new BotTradingClient({ botKey, baseUrl: service.rest });
  const elsewhere = new BotTradingClient({ botKey: "tvt_x", baseUrl: `${service.rest}/elsewhere` });
  const person = new KeyManagementClient({ token, baseUrl: service.rest });
  const cases = [
    [() => client.placeOrder({ ...order, order_type: "LIMIT" }), "InvalidRequest", "LIMIT_PRICE_REQUIRED"],
    [() => client.placeOrder({ ...order, symbol: "NOPE" }), "InvalidRequest", "SYMBOL_UNKNOWN"],
    [() => client.placeOrder({ ...order, quantity: 0.123456789 }), "InvalidRequest", "DECIMAL_INVALID"],
    [
      () => client.placeOrder({ ...order, quantity: "2", client_order_id: "taken" }),
      "Conflict",
      "CLIENT_ORDER_ID_REUSED",
    ],
    [() => client.cancelOrder(filled.id), "Conflict", "ORDER_NOT_LIVE"],
    [() => client.order("nothing"), "NotFound", "ORDER_NOT_FOUND"],
    [() => client.cancelOrder(""), "NotFound", "ROUTE_NOT_FOUND"],
    [() => client.quote("NOPE"), "NotFound", "SYMBOL_UNKNOWN"],
    [() => client.orderUpdates({ afterSequence: 99 }).next(), "Conflict", "SEQUENCE_IN_FUTURE"],
    [() => bot("tvt_wrong").account(), "AuthenticationFailed", "BOT_KEY_INVALID"],
    [() => person.deposit("any", "1"), "PermissionDenied", "OPERATOR_REQUIRED"],
  ];
  for (const [call, kind, reason] of cases) {
    const error = await rejection(call());
    assert.ok(error instanceof sdk.BotTradingError, reason);
    assert.deepEqual([error.name, error.constructor, error.reason], [kind, sdk[kind], reason]);
    assert.match(error.requestId, /./);
    assert.match(error.message, /./);
  }
  const [field] = (await rejection(cases[0][0]())).violations;
  assert.equal(field.field, "limit_price");
  // Not the service, but somebody between here and there.
  assert.equal((await rejection(elsewhere.account())).status, 404);
});

test("a client takes its key and its server from the environment", async (t) => {
  const { botKey, token } = await newPerson(service);
  for (const name of ["BOTTRADING_REST_URL", "BOTTRADING_BOT_KEY", "VECTRADE_BOT_KEY", "BOTTRADING_TOKEN"]) {
    const value = process.env[name];
    t.after(() => (value === undefined ? delete process.env[name] : (process.env[name] = value)));
    delete process.env[name];
  }
  assert.throws(() => new BotTradingClient(), /Pass a botKey, or set BOTTRADING_BOT_KEY/);
  assert.throws(() => new KeyManagementClient(), /Pass a token, or set BOTTRADING_TOKEN/);
  assert.throws(() => new BotTradingClient({ botKey, baseUrl: "nowhere" }), /Invalid URL/);
  assert.throws(() => new BotTradingClient({ botKey: "a\nb" }), TypeError);

  Object.assign(process.env, {
    BOTTRADING_REST_URL: `${service.rest}/`,
    BOTTRADING_BOT_KEY: botKey,
    BOTTRADING_TOKEN: token,
  });
  assert.equal((await new BotTradingClient().account()).status, "ACTIVE");
  assert.equal((await new KeyManagementClient().keys()).length, 1);
  delete process.env.BOTTRADING_BOT_KEY;
  process.env.VECTRADE_BOT_KEY = botKey;
  assert.equal((await new BotTradingClient().account()).status, "ACTIVE");
});

test("every call of the contract is offered, but for the feed's", () => {
  const source = (name) => readFileSync(new URL(`../src/${name}.ts`, import.meta.url), "utf8");
  const [paths] = source("contract").match(/^export interface paths \{.*?^\}/ms);
  const described = paths.matchAll(/^    "(.*?)": \{(.*?)^    \};/gms);
  const operations = [...described].flatMap(([, path, body]) =>
    [...body.matchAll(/^        (\w+): operations/gm)].map(([, verb]) => `${verb} ${path}`),
  );
  const code = ["client", "key-management", "following"].map(source).join("");
  const found = (pattern, write) => [...code.matchAll(pattern)].map((match) => write(...match));
  const calls = found(/(?:send|exchange)\("(\w+)", "(.*?)"/g, (_, verb, path) => `${verb} ${path}`);
  const reads = found(/(?:pages\(|readonly path = )"(.*?)"/g, (_, path) => `get ${path}`);

  assert.deepEqual([...new Set([...calls, ...reads, "post /quotes"])].sort(), operations.sort());
});
