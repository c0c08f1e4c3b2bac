// The session of a tab: as long as its token, and nobody else's.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { BotTradingClient, KeyManagementClient } from "bottrading-client";

import { newPerson, openPage, RESTING, startBrowser, startPage, storeSession } from "./support.js";

const SESSION_HOURS_MAX = 24;

let service;
let browser;

before(async () => {
  service = await startPage();
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("two tabs of one browser follow the same account, each with a link of its own", async () => {
  const context = (await browser.newPage()).context();
  const [first, second] = [context.pages()[0], await context.newPage()];
  for (const tab of [first, second]) {
    await tab.goto(service.link("--person", "ada"));
    await tab.getByText("No positions").waitFor();
  }
  const bot = await botOf(first, service);
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "10" });
  await bot.placeOrder({ symbol: "KO", ...RESTING });
  for (const tab of [first, second]) {
    await tab.getByRole("table", { name: "Positions" }).getByRole("row", { name: /AAPL/ }).waitFor();
  }
  await first.getByRole("button", { name: "Cancel BUY 1 KO" }).click();
  await second.getByText("No live orders").waitFor();

  await first.getByRole("button", { name: "Sign out" }).click();
  await first.getByRole("heading", { name: "Sign in" }).waitFor();
  await bot.placeOrder({ symbol: "SPY", side: "BUY", quantity: "1" });
  await second.getByRole("table", { name: "Positions" }).getByRole("row", { name: /SPY/ }).waitFor();
  assert.equal(await first.evaluate(() => sessionStorage.length), 0);
  await context.close();
});

test("a tab that is opened without a link is not signed in by the others", async () => {
  const { token } = await newPerson(service);
  const page = await openPage(browser, service, { token });
  await page.getByText("No positions").waitFor();
  const other = await page.context().newPage();
  await other.goto(service.rest);

  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.context().close();
});

test("without the public leaderboard nothing is shown to who is not signed in", async () => {
  const page = await openPage(browser, service, { screen: "leaderboard" });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  assert.equal(await page.getByRole("link", { name: "Leaderboard" }).count(), 0);
  await page.context().close();
});

test("a stored session whose end has passed is not used", async () => {
  const page = await browser.newPage();
  const sent = [];
  page.on("request", (request) => sent.push(request.headers()["authorization"]));
  await storeSession(page, service.token("late"), Date.now() - 1);
  await page.goto(service.rest);

  await page.getByRole("heading", { name: "Your session has ended" }).waitFor();
  assert.ok(sent.length > 0);
  assert.deepEqual(sent.filter(Boolean), []);
  assert.equal(await page.evaluate(() => sessionStorage.getItem("bottrading.session")), null);
  await page.context().close();
});

test("a session ends on the page at its time, without a call", async () => {
  const page = await browser.newPage();
  await page.clock.install();
  await page.goto(service.link("--person", "grace"));
  await page.getByText("No positions").waitFor();
  await page.clock.fastForward(SESSION_HOURS_MAX * 3_600_000);

  await page.getByRole("heading", { name: "Your session has ended" }).waitFor();
  await page.getByText(".venv/bin/bottrading open").waitFor();
  await page.context().close();
});

test("a token that ends while the page is open ends the session", async () => {
  const page = await browser.newPage();
  await page.goto(service.rest);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  // The page takes the session for longer: only the service says that it is over.
  await storeSession(page, service.token("brief", "--ttl", "3"), Date.now() + 3_600_000);
  await page.reload();
  await page.getByText("No positions").waitFor();

  await page.getByRole("heading", { name: "Your session has ended" }).waitFor();
  await page.getByText("No positions").waitFor({ state: "detached" });
  await page.context().close();
});

/** Make a key with the session of a tab; return the bot that trades with it. */
async function botOf(tab, { rest }) {
  const { token } = JSON.parse(
    await tab.evaluate(() => sessionStorage.getItem("bottrading.session")),
  );
  const { key } = await new KeyManagementClient({ token, baseUrl: rest }).createKey({ label: "bot" });
  return new BotTradingClient({ botKey: key, baseUrl: rest });
}
