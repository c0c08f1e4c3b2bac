// A margin account in the page: allowed by its owner, short by its bot, closed by hand.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { newPerson, openPage, startBrowser, startPage } from "./support.js";

let service;
let browser;

before(async () => {
  service = await startPage();
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("margin is allowed, a short position is seen with its margin and bought back", async () => {
  const { token, bot } = await newPerson(service);
  const page = await openPage(browser, service, { token, screen: "developer" });
  assert.equal(await page.getByRole("banner").getByText("Margin").count(), 0);
  await page.getByRole("button", { name: "Allow margin" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Allow margin" }).click();
  await page.getByText("The account is a margin account.").waitFor();
  await page.getByRole("banner").getByText("Margin").waitFor();
  await page.getByText(/Initial margin 50.?%, maintenance margin 30.?%/).waitFor();

  await bot.placeOrder({ symbol: "AAPL", side: "SELL", quantity: "10" });
  await page.getByRole("link", { name: "Account" }).click();
  const position = page.getByRole("table", { name: "Positions" }).getByRole("row", { name: /AAPL/ });
  assert.match(await position.innerText(), /short/);
  const [{ margin }] = await bot.positions();
  assert.ok(Number(margin) > 0);
  await page.getByText("Maintenance margin").waitFor();
  await page.getByRole("button", { name: "Close AAPL" }).click();
  await page.getByRole("dialog").getByText(/buys back 10 AAPL/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Close AAPL" }).click();
  await page.getByText(/^Bought 10 AAPL at/).waitFor();

  await page.getByRole("link", { name: "Activity" }).click();
  await page.getByText("Margin account", { exact: true }).waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
