// The page as a person sees it while a bot trades on the account.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { newPerson, openPage, RESTING, SCREENS, settled, startBrowser, startPage } from "./support.js";

let service;
let browser;

before(async () => {
  service = await startPage();
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("what a bot does is seen without a reload", async () => {
  const { token, bot } = await newPerson(service, { label: "momentum" });
  const page = await openPage(browser, service, { token });
  await page.getByText("No positions").waitFor();
  await page.getByText("No fills yet").waitFor();

  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "10" });
  await bot.placeOrder({ symbol: "KO", ...RESTING });

  const position = page.getByRole("table", { name: "Positions" }).getByRole("row", { name: /AAPL/ });
  await position.waitFor();
  const order = page.getByRole("table", { name: "Live orders" }).getByRole("row", { name: /KO/ });
  await order.waitFor();
  const fill = page.getByRole("table", { name: "Fills" }).getByRole("row", { name: /Buy 10 AAPL/ });
  assert.match(await fill.innerText(), /momentum/);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a live order is cancelled, and all of them after a question", async () => {
  const { token, bot } = await newPerson(service);
  for (const symbol of ["KO", "SPY", "MSFT"]) await bot.placeOrder({ symbol, ...RESTING });
  const page = await openPage(browser, service, { token });
  await page.getByRole("button", { name: "Cancel BUY 1 KO" }).click();
  await page.getByText("BUY 1 KO is cancelled.").waitFor();
  await page.getByRole("button", { name: "Cancel all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel all" }).click();
  await page.getByText("No live orders").waitFor();

  const left = [];
  for await (const order of bot.orders({ status: "OPEN" })) left.push(order);
  assert.deepEqual(left, []);
  await page.context().close();
});

test("a position is closed, and all of them, each after a question", async () => {
  const { token, bot } = await newPerson(service);
  for (const symbol of ["AAPL", "KO", "SPY"]) {
    await bot.placeOrder({ symbol, side: "BUY", quantity: "2" });
  }
  const page = await openPage(browser, service, { token });
  await page.getByRole("button", { name: "Close KO" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close KO" }).click();
  await page.getByText(/^Sold 2 KO at/).waitFor();
  const fill = page.getByRole("row", { name: /Sell 2 KO/ });
  assert.match(await fill.innerText(), /You/);
  await page.getByRole("button", { name: "Close all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close all" }).click();
  await page.getByText("2 of 2 closing orders filled.").waitFor();
  await page.getByText("No positions").waitFor();

  assert.deepEqual(await bot.positions(), []);
  await page.context().close();
});

test("a key is made, shown once, used, halted and revoked", async () => {
  const { token, bot } = await newPerson(service, { options: ["--plan", "Standard"] });
  const page = await openPage(browser, service, { token, screen: "developer" });
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill("from the page");
  await page.getByRole("button", { name: "Make the key" }).click();
  const secret = await page.getByLabel("Bot key", { exact: true }).innerText();
  assert.match(secret, /^tvt_\w{36}$/);
  for (const name of ["curl", "Python", "MCP"]) {
    await page.getByRole("radio", { name }).check({ force: true });
    assert.ok((await page.locator("pre").innerText()).includes(secret));
  }
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("rowheader", { name: /from the page/ }).waitFor();
  assert.ok(!(await page.content()).includes(secret));

  await page.getByRole("button", { name: "Halt trading" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Halt trading" }).click();
  await page.getByText("Trading is halted.").waitFor();
  const order = await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  assert.equal(order.rejection_reason, "TRADING_HALTED");

  await page.getByRole("button", { name: "Revoke bot" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("“bot” is revoked.").waitFor();
  await assert.rejects(bot.account(), { reason: "BOT_KEY_INVALID" });
  await page.context().close();
});

test("the log is shown newest first, and an entry opens to its JSON", async () => {
  const { token, bot } = await newPerson(service);
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  const page = await openPage(browser, service, { token, screen: "activity" });
  const entries = page.getByRole("list", { name: "Log, newest first" }).getByRole("listitem");
  await entries.nth(2).waitFor();
  await bot.placeOrder({ symbol: "KO", side: "BUY", quantity: "2" });
  await page.getByText(/Buy 2 KO at/).waitFor();
  const numbers = await page.locator(".entry-number").allInnerTexts();
  assert.deepEqual(numbers, ["5", "4", "3", "2", "1"]);

  await entries.first().locator("summary").click();
  const json = JSON.parse(await page.locator("pre").innerText());
  assert.equal(json.order.symbol, "KO");
  await page.getByRole("searchbox").fill("aapl");
  await page.waitForFunction(() => document.querySelectorAll(".entry").length === 2);
  await page.context().close();
});

test("names that people chose are text, on every screen", async () => {
  const hostile = '"><img src=x onerror="window.hacked=1">';
  const { token, bot } = await newPerson(service, {
    label: hostile,
    options: ["--name", hostile],
  });
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1", client_order_id: hostile });
  await bot.placeOrder({ symbol: "KO", ...RESTING });
  for (const screen of SCREENS) {
    const page = await openPage(browser, service, { token, screen });
    await settled(page);
    await page.getByText(screen === "activity" ? "Buy 1 AAPL, market" : hostile).first().waitFor();
    const state = await page.evaluate(() => [window.hacked, document.querySelectorAll("img").length]);
    assert.deepEqual(state, [undefined, 0], screen);
    await page.context().close();
  }
});

test("a link signs in once, and leaves no token in the address", async () => {
  const link = service.link("--person", "ada");
  const page = await browser.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(link);
  await page.getByRole("heading", { name: "Total equity" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Total equity" }).waitFor();
  const token = link.split("#token=")[1];
  assert.ok(token.length > 20);
  assert.ok(!page.url().includes(token));
  assert.ok(!asked.some((url) => url.includes(token)));
  assert.ok(!(await page.evaluate(() => JSON.stringify(sessionStorage))).includes(token));

  const again = await browser.newPage();
  await again.goto(link);
  await again.getByRole("heading", { name: "This link no longer works" }).waitFor();
  await again.getByText("prints a new link").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await Promise.all([page.context().close(), again.context().close()]);
});

test("without a session the page says how to sign in, and after it ended too", async () => {
  const signedOut = await openPage(browser, service);
  await signedOut.getByRole("heading", { name: "Sign in" }).waitFor();
  await signedOut.getByText(".venv/bin/bottrading open").waitFor();
  const { token } = await newPerson(service);
  const expired = await openPage(browser, service, { token: `${token}x` });
  await expired.getByRole("heading", { name: "Your session has ended" }).waitFor();

  assert.equal(await expired.evaluate(() => sessionStorage.getItem("bottrading.session")), null);
  await signedOut.context().close();
  await expired.context().close();
});

test("the page goes on by itself after the service was killed", async () => {
  const { token, bot } = await newPerson(service);
  const page = await openPage(browser, service, { token });
  await page.getByText("No positions").waitFor();
  await service.kill();
  await page.getByText("The service does not answer.").waitFor();
  await service.start();
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "3" });

  await page.getByRole("table", { name: "Fills" }).getByRole("row", { name: /Buy 3 AAPL/ }).waitFor();
  await page.getByText("The service does not answer.").waitFor({ state: "detached" });
  await page.context().close();
});
