// The package as a user has it: packed, installed in a clean directory, run by Node, checked by tsc.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { newPerson, startService } from "./support.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const SNIPPETS = [...README.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
const [TRADE, FOLLOW, BACKTEST, REFUSED] = SNIPPETS;

let service;
let directory;
let person;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "bottrading-package-"));
  // The dependency is packed too, so that nothing is fetched.
  const folders = [".", "./node_modules/eventsource-parser"];
  const packed = folders.flatMap((folder) =>
    JSON.parse(npm(ROOT, "pack", folder, "--json", "--pack-destination", directory)),
  );
  writeFileSync(join(directory, "package.json"), '{ "private": true }');
  npm(directory, "install", "--offline", ...packed.map(({ filename }) => `./${filename}`));
  service = await startService({ rest: true });
  person = await newPerson(service);
});

after(async () => {
  await service?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("the package holds what is needed and nothing else", () => {
  const [{ files }] = JSON.parse(npm(ROOT, "pack", "--dry-run", "--json"));
  const names = files.map(({ path }) => path.replace(/\.(js|d\.ts)$/, ""));
  const modules = "attempts client contract errors following index key-management order-ids replaying transport";

  assert.deepEqual(
    [...new Set(names)].sort(),
    ["README.md", "package.json", ...modules.split(" ").map((name) => `dist/${name}`)].sort(),
  );
});

test("the snippets of the README work as pasted", () => {
  assert.match(run("trade.mjs", TRADE), /^FILLED \d+\.\d{8} null\n\d+\.\d{2}\n$/);
  assert.match(
    run("follow.mjs", FOLLOW),
    /^2 ACCEPTED AAPL undefined\n3 FILLED AAPL \d+\.\d{8}\ngo on after 3\n$/,
  );
  assert.match(run("refused.mjs", REFUSED), /^LIMIT_PRICE_REQUIRED .* \[\s+\{\s+field: 'limit_price'/);
});

test("a consumer's types are checked, strictly", () => {
  const consumer = `
    import { BotTradingClient, type ErrorReason, type Order, type Update } from "bottrading-client";

    const client = new BotTradingClient({ botKey: "tvt_x" });
    export const order: Promise<Order> = client.placeOrder({ symbol: "A", side: "BUY", quantity: 1 });
    export function price(update: Update): string | undefined {
      return update.kind === "order_update" ? update.fill?.price : undefined;
    }
    export const when = async () => (await order).created_at.slice(0, 10);
    export const reason: ErrorReason = "ORDER_NOT_LIVE";
    // @ts-expect-error: an order has a side.
    client.placeOrder({ symbol: "AAPL", quantity: "1" });
    // @ts-expect-error: no such status.
    client.orders({ status: "LIVE" });
    // @ts-expect-error: no such field.
    client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1", price: "1" });
    // @ts-expect-error: it may be null.
    order.then(({ filled_price }) => filled_price.length);
  `;
  const shown = { trade: TRADE, follow: FOLLOW, backtest: BACKTEST, refused: REFUSED };
  const sources = { consumer, ...shown };
  for (const [name, code] of Object.entries(sources)) write(`${name}.mts`, code);
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--module", "nodenext"];
  const options = [...strict, "--target", "es2022", "--lib", "es2022,dom", "--noEmit"];
  const files = Object.keys(sources).map((name) => `${name}.mts`);

  assert.equal(command(directory, join(ROOT, "node_modules/.bin/tsc"), ...options, ...files), "");
});

/** Run a module in the clean directory and return what it prints. */
function run(name, code) {
  write(name, code);
  return command(directory, process.execPath, name);
}

function write(name, code) {
  writeFileSync(join(directory, name), code);
}

function npm(cwd, ...options) {
  return command(cwd, "npm", ...options, "--ignore-scripts", "--no-audit", "--no-fund");
}

/** Run a command and return what it prints; if it fails, the test fails with its errors. */
function command(cwd, file, ...options) {
  const env = {
    ...process.env,
    BOTTRADING_REST_URL: service?.rest,
    BOTTRADING_BOT_KEY: person?.botKey,
  };
  try {
    return execFileSync(file, options, { cwd, env, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error });
  }
}
