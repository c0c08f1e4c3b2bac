// From the link on the terminal to a revoked key: one person, one bot, one page that is never loaded again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { runPython, runShell, startPythonBot } from "./bots.js";
import { settled, startBrowser, startPage } from "./support.js";

let service;
let browser;

before(async () => {
  service = await startPage({}, { terminal: true });
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("a person watches, stops and revokes a bot, from the link of the terminal on", async () => {
  const [link] = await service.told(/http:\/\/[\w.:]+\/#token=[\w.-]+/);
  const page = await browser.newPage({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.goto(link);
  await page.getByText("No positions").waitFor();
  await settled(page);
  await page.evaluate(() => (window.isStillTheSame = true));

  const key = await keyMadeIn(page);
  const bot = startPythonBot(service, key);
  await show(page, "Account");
  await watchTrading(page, bot);
  await closeAndCancel(page);
  await stopAndGoOn(page, bot);
  await revoke(page, bot);
  await bot.stop();

  assert.equal(await page.evaluate(() => window.isStillTheSame), true);
  await page.context().close();
});

/** Make a key in the page, try all snippets of it, and return it as it is copied. */
async function keyMadeIn(page) {
  await show(page, "Developer");
  await page.getByText("No keys yet").waitFor();
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill("momentum");
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByRole("button", { name: "Copy the key" }).click();
  await page.getByRole("button", { name: "Copy the key" }).getByText("Copied").waitFor();
  const key = await page.evaluate(() => navigator.clipboard.readText());

  const snippet = page.locator("pre");
  assert.match(await runShell(`curl -sS ${(await snippet.innerText()).slice(5)}`), /"FILLED"/);
  await choose(page, "Python");
  const target = await snippet.innerText();
  const program = target.replace("127.0.0.1:50051", service.grpc);
  assert.notEqual(program, target);
  assert.match(await runPython(program), /FILLED/);
  await choose(page, "MCP");
  const { mcpServers } = JSON.parse(await snippet.innerText());
  assert.equal(mcpServers.bottrading.env.BOTTRADING_BOT_KEY, key);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("row", { name: /momentum/ }).getByText(/just now|s ago/).waitFor();
  return key;
}

async function watchTrading(page, bot) {
  const curve = page.getByRole("img", { name: /^Equity over a day/ });
  await page.getByRole("row", { name: /AAPL/ }).first().waitFor();
  const before = { drawn: await drawn(curve), said: await curve.getAttribute("aria-label") };
  assert.deepEqual(await bot.place("BUY MSFT 40"), { status: "FILLED", reason: null });
  assert.deepEqual(await bot.place("BUY KO 1 0.01"), { status: "OPEN", reason: null });

  await row(page, "Positions", /MSFT/).waitFor();
  await row(page, "Live orders", /KO/).waitFor();
  const fill = row(page, "Fills", /Buy 40 MSFT/);
  assert.match(await fill.innerText(), /momentum/);
  await page.waitForFunction(
    (said) => !document.querySelector(`[aria-label="${CSS.escape(said)}"]`),
    before.said,
  );
  assert.notEqual(await drawn(curve), before.drawn);
}

async function closeAndCancel(page) {
  await page.getByRole("button", { name: "Close MSFT" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close MSFT" }).click();
  await row(page, "Positions", /MSFT/).waitFor({ state: "detached" });
  await row(page, "Fills", /Sell 40 MSFT/).waitFor();
  await page.getByRole("button", { name: "Cancel BUY 1 KO" }).click();
  await page.getByText("No live orders").waitFor();
}

async function stopAndGoOn(page, bot) {
  assert.equal((await bot.place("BUY SPY 1 0.01")).status, "OPEN");
  await show(page, "Developer");
  await page.getByRole("button", { name: "Halt trading" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Halt trading" }).click();
  await page.getByRole("banner").getByText("Halted").waitFor();
  const halted = await bot.place("SELL AAPL 1");
  await page.getByRole("button", { name: "Only reduce" }).click();
  await page.getByRole("banner").getByText("Reducing").waitFor();
  const more = await bot.place("BUY AAPL 1");
  const less = await bot.place("SELL AAPL 1");
  await page.getByRole("button", { name: "Resume trading" }).click();
  await page.getByRole("banner").getByText("Live").waitFor();
  const resumed = await bot.place("BUY AAPL 1");

  assert.deepEqual(halted, { status: "REJECTED", reason: "TRADING_HALTED" });
  assert.equal(more.status, "REJECTED");
  assert.equal(less.status, "FILLED");
  assert.equal(resumed.status, "FILLED");
  await show(page, "Account");
  await page.getByText("No live orders").waitFor();
  await show(page, "Activity");
  await page.getByRole("list", { name: "Log, newest first" }).getByText(/halted/i).first().waitFor();
}

async function revoke(page, bot) {
  await show(page, "Developer");
  await page.getByRole("button", { name: "Revoke momentum" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("No keys yet").waitFor();

  assert.deepEqual(await bot.place("BUY AAPL 1"), { status: "REFUSED", reason: "BOT_KEY_INVALID" });
}

function row(page, table, name) {
  return page.getByRole("table", { name: table }).getByRole("row", { name }).first();
}

async function show(page, screen) {
  await page.getByRole("navigation").getByRole("link", { name: screen }).click();
}

async function choose(page, name) {
  await page.getByRole("radio", { name }).check({ force: true });
}

/** Return what is drawn on the canvas of a curve. */
function drawn(curve) {
  return curve.locator("canvas").evaluate((canvas) => canvas.toDataURL());
}
