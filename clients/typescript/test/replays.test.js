// A lock-step replay in a loop over bars, against the real service.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import * as sdk from "../dist/index.js";
import { Network, newPerson, rejection, startService, take } from "./support.js";

const DAYS = [2, 3, 4, 5, 6];

let folder;
let service;
let network;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "bottrading-replay-"));
  const lines = ["time,symbol,open,high,low,close,volume"];
  for (const day of DAYS) {
    lines.push(`2025-01-0${day},AAPL,104,110,90,10${day},90000`);
    if (day !== 4) lines.push(`2025-01-0${day},BTC-USD,100,110,90,10${day},90`);
  }
  writeFileSync(join(folder, "bars.csv"), lines.join("\n"));
});

beforeEach(async () => {
  const file = ["--replay-file", join(folder, "bars.csv"), "--sessions", "always-open"];
  const options = ["--market", "replay", ...file, "--replay-clock", "step"];
  service = await startService({ rest: true, options });
  network = await Network.before(service);
});

afterEach(async () => {
  await network.close();
  await service.stop();
});

after(() => rmSync(folder, { recursive: true, force: true }));

const day = ({ start }) => Number(start.slice(8, 10));
const advances = () => network.requests.filter((request) => request === "POST /clock/advance");

test("each bar of a symbol comes once, whatever answers are lost while the bot thinks", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  const days = [];
  const orders = [];
  for await (const bar of client.replay("1d", "AAPL")) {
    days.push(day(bar));
    await wait(5);
    const limit = { order_type: "LIMIT", limit_price: "91" };
    orders.push(await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: 1, ...limit }));
    if (days.length === 2) network.loseAnswers(3);
  }

  assert.deepEqual(days, DAYS);
  // The first step ends where the first day begins.
  assert.equal(advances().length, 1 + DAYS.length + 3);
  assert.deepEqual(
    orders.slice(0, 2).map((order) => order.client_order_id),
    ["2025-01-03T00:00:00Z-1", "2025-01-04T00:00:00Z-1"],
  );
  const filled = await take(9, client.orders({ status: "FILLED" }));
  assert.equal(filled.length, DAYS.length - 1);
  assert.deepEqual(await take(1, client.replay("1d", "AAPL")), [], "the replay has ended");
});

test("several symbols come together, and without symbols all do", async () => {
  const { client } = await newPerson(service);
  const steps = await take(3, client.replay("1d", ["BTC-USD", "AAPL"]));
  const rest = await take(9, client.replay("1D"));

  assert.deepEqual(
    steps.map((step) => [day(step), Object.keys(step.bars)]),
    [
      [2, ["BTC-USD", "AAPL"]],
      [3, ["BTC-USD", "AAPL"]],
      [4, ["AAPL"]],
    ],
  );
  assert.equal(steps[2].advance.time, "2025-01-05T00:00:00Z");
  assert.deepEqual(
    rest.map((bar) => [day(bar), bar.symbol, bar.complete]),
    [
      [5, "AAPL", true],
      [5, "BTC-USD", true],
      [6, "AAPL", false],
      [6, "BTC-USD", false],
    ],
  );
});

test("the loop outlives a service that is killed", async () => {
  const { client } = await newPerson(service);
  const days = [];
  for await (const bar of client.replay("1d", "AAPL")) {
    days.push(day(bar));
    if (days.length !== 2) continue;
    await service.kill();
    await service.start();
  }

  assert.deepEqual(days, DAYS);
});

test("the backtest of the README works as pasted", async () => {
  const { client, botKey } = await newPerson(service);
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, shown] = readme.match(/^```ts\n([^`]*client\.replay.*?)^```$/ms);
  const built = new URL("../dist/index.js", import.meta.url).href;
  writeFileSync(join(folder, "backtest.mjs"), shown.replace("bottrading-client", built));
  const env = { ...process.env, BOTTRADING_REST_URL: service.rest, BOTTRADING_BOT_KEY: botKey };
  const told = execFileSync(process.execPath, ["backtest.mjs"], { cwd: folder, env });

  assert.match(told.toString(), /^-?\d+(\.\d+)?\n$/);
  const placed = await take(9, client.orders());
  assert.equal(placed.length, 2, "on two days the price fell");
});

test("a step is by a time, a while or a bar, and tells what happened", async () => {
  const { client } = await newPerson(service);
  const until = await client.advanceClock({ until: "2025-01-02T00:00:00Z" });
  const limit = { order_type: "LIMIT", limit_price: "95" };
  const { id } = await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: 1, ...limit });
  const by = await client.advanceClock({ by: "86400s", from: until.time });
  const bar = await client.advanceClock({ next_bar: "1H", from: by.time });

  assert.deepEqual(
    [until, by, bar].map(({ time, ended }) => [time, ended]),
    [
      ["2025-01-02T00:00:00Z", false],
      ["2025-01-03T00:00:00Z", false],
      ["2025-01-03T01:00:00Z", false],
    ],
  );
  assert.ok(by.events.some((event) => event.order_update?.order.id === id), JSON.stringify(by));
  assert.deepEqual([bar.events, bar.first_sequence], [[], 0]);
});

test("the loop can be given up while it waits", async () => {
  const { client } = await newPerson(service, { baseUrl: network.url });
  const signal = AbortSignal.timeout(500);
  const bars = client.replay("1d", "AAPL", { signal });
  network.swallowAnswers();

  assert.equal((await rejection(bars.next())).name, "TimeoutError");
});

test("a market that does not wait says so", async () => {
  const simulated = await startService({ rest: true });
  try {
    const { client } = await newPerson(simulated);
    const error = await rejection(client.replay("1d", "AAPL").next());

    assert.ok(error instanceof sdk.Conflict);
    assert.equal(error.reason, "MARKET_NOT_STEPPED");
  } finally {
    await simulated.stop();
  }
});
