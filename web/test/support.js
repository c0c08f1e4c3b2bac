// What the tests share: the real service with its page, persons with bots, and a browser.

import assert from "node:assert/strict";

import { BotTradingClient, KeyManagementClient } from "bottrading-client";

import { startBrowser } from "../../tests/clients/node/support/browser.js";
import { startService } from "../../tests/clients/node/support/service.js";

export { startBrowser };

/** What keeps a bot of a test from being slowed down by limits. */
const NO_RATES = {
  BOTTRADING_ORDERS_PER_MINUTE: "0",
  BOTTRADING_REQUESTS_PER_MINUTE: "0",
};

/** A price that no market comes near: the order rests. */
export const RESTING = { side: "BUY", quantity: "1", order_type: "LIMIT", limit_price: "0.01" };

export const SCREENS = ["account", "activity", "leaderboard", "developer"];

let persons = 0;

/** Start a service to test its page; `more` is passed to `startService`. */
export function startPage(settings = {}, more = {}) {
  return startService({ rest: true, settings: { ...NO_RATES, ...settings }, ...more });
}

/** Make a person with a bot; `options` are more of the command that makes the token. */
export async function newPerson(service, { label = "bot", options = [] } = {}) {
  const token = service.token(`person-${(persons += 1)}`, ...options);
  // The command blocked this process: it first has to notice connections that ended meanwhile.
  await new Promise((resolve) => setTimeout(resolve));
  const baseUrl = service.rest;
  const manager = new KeyManagementClient({ token, baseUrl });
  const { id: keyId, key: botKey } = await manager.createKey({ label });
  return { token, manager, keyId, bot: new BotTradingClient({ botKey, baseUrl }) };
}

/**
 * Open a screen in a tab whose session has a person's token.
 *
 * The page's `problems` are what its console and its scripts complained of.
 */
export async function openPage(browser, service, { token, screen = "account", width, dark } = {}) {
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.problems = problems;
  if (width) await page.setViewportSize({ width, height: 800 });
  if (dark !== undefined) await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  if (token) await storeSession(page, token, Date.now() + 3_600_000);
  await page.goto(`${service.rest}/#/${screen}`);
  return page;
}

/** Give a tab a session, which the page finds when it is loaded next. */
export function storeSession(page, token, expiresAt) {
  return page.addInitScript((stored) => {
    if (sessionStorage.getItem("test")) return;
    sessionStorage.setItem("test", "begun");
    sessionStorage.setItem("bottrading.session", stored);
  }, JSON.stringify({ token, expiresAt }));
}

/** Wait until a screen has read everything that it shows; no read may have been refused. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".loading"));
  assert.deepEqual(await page.locator(".failure").allInnerTexts(), []);
}
