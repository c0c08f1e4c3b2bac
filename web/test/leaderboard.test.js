// The leaderboard as ranked accounts and strangers see it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { newPerson, openPage, startBrowser, startPage } from "./support.js";

let service;
let browser;

before(async () => {
  service = await startPage({ BOTTRADING_PUBLIC_LEADERBOARD: "true" });
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("everybody sees a public leaderboard, and the owner's row is marked", async () => {
  const stranger = await openPage(browser, service, { screen: "leaderboard" });
  await stranger.getByText("Nobody is ranked yet").waitFor();
  const links = await stranger.getByRole("navigation").getByRole("link").allInnerTexts();
  assert.deepEqual(links, ["Sign in", "Leaderboard"]);

  const { token, bot } = await newPerson(service, { options: ["--name", "Grace"] });
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "10" });
  const row = stranger.getByRole("row", { name: /Grace/ });
  // The ranking is renewed every few seconds, less often on a busy machine.
  await row.waitFor({ timeout: 60_000 });
  assert.doesNotMatch(await row.innerText(), /You/);
  const owner = await openPage(browser, service, { token, screen: "leaderboard" });
  await owner.getByRole("row", { name: /Grace.*You/ }).waitFor();
  const chart = owner.getByRole("img", { name: /^Returns: Grace/ });
  await chart.waitFor();
  await owner.getByRole("checkbox", { name: "Draw the curve of Grace" }).click();
  await chart.waitFor({ state: "detached" });

  assert.deepEqual([stranger.problems, owner.problems], [[], []]);
  await Promise.all([stranger.context().close(), owner.context().close()]);
});

test("cash and margin accounts are ranked apart, and owners see their own ranking first", async () => {
  const { token, bot, manager } = await newPerson(service, { options: ["--name", "Mary"] });
  await manager.setMarginMode((await bot.account()).bot_user_id, "MARGIN");
  await bot.placeOrder({ symbol: "AAPL", side: "SELL", quantity: "10" });
  const owner = await openPage(browser, service, { token, screen: "leaderboard" });
  const row = owner.getByRole("row", { name: /Mary.*You/ });
  await row.waitFor({ timeout: 60_000 });
  const [cash, margin] = ["Cash", "Margin"].map((name) => owner.getByRole("radio", { name }));
  assert.ok(await margin.isChecked());
  await cash.check({ force: true });
  await row.waitFor({ state: "detached" });
  await margin.check({ force: true });
  await row.waitFor();

  const stranger = await openPage(browser, service, { screen: "leaderboard" });
  await stranger.getByRole("radio", { name: "Cash", checked: true }).waitFor();
  await stranger.getByRole("radio", { name: "Margin" }).check({ force: true });
  await stranger.getByRole("row", { name: /Mary/ }).waitFor();
  assert.deepEqual([stranger.problems, owner.problems], [[], []]);
  await Promise.all([stranger.context().close(), owner.context().close()]);
});
