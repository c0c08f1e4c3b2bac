// What the page keeps to itself, and what others cannot do to it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { newPerson, openPage, SCREENS, settled, startBrowser, startPage } from "./support.js";

/** A name of somebody else that leads to this machine, as in DNS rebinding; no other name is known. */
const REBOUND = "rebound.example";
const HOSTS = `MAP ${REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`;
const HOSTILE = '<img src=x onerror="window.hacked=1"><b>bold</b>';

let service;
let browser;

before(async () => {
  service = await startPage({ BOTTRADING_PUBLIC_LEADERBOARD: "true" });
  browser = await startBrowser({ hosts: HOSTS });
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("every request goes to the service, and none has a token in its URL or a cookie", async () => {
  const page = await browser.newPage();
  const requests = [];
  page.context().on("request", (request) => requests.push(request));
  const link = service.link("--person", "ada");
  await page.goto(link);
  await page.getByText("No positions").waitFor();
  const session = await page.evaluate(() => sessionStorage.getItem("bottrading.session"));
  await page.reload();
  for (const screen of SCREENS) {
    await page.goto(`${service.rest}/#/${screen}`);
    await settled(page);
  }
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill("bot");
  await page.getByRole("button", { name: "Make the key" }).click();
  const key = await page.getByLabel("Bot key", { exact: true }).innerText();

  const secrets = [link.split("#token=")[1], JSON.parse(session).token, key];
  const headers = await Promise.all(requests.map((request) => request.allHeaders()));
  assert.ok(requests.some((request) => request.url().includes("/order-updates")));
  assert.deepEqual(new Set(requests.map((one) => new URL(one.url()).origin)), new Set([service.rest]));
  for (const secret of secrets) {
    assert.ok(secret.length > 30);
    assert.deepEqual(requests.filter((one) => one.url().includes(secret)), []);
    assert.ok(!service.log.includes(secret.split(".").at(-1)));
  }
  assert.deepEqual(headers.filter((one) => one.cookie || one.referer?.includes("token")), []);
  assert.deepEqual(await page.context().cookies(), []);
  await page.context().close();
});

test("the token of the link is in no address, no history and no storage", async () => {
  const page = await browser.newPage();
  const link = service.link("--person", "ada");
  const token = link.split("#token=")[1];
  await page.goto(`${service.rest}/healthz`);
  await page.goto(link);
  await page.getByText("No positions").waitFor();
  assert.equal(page.url(), `${service.rest}/`);
  await page.goto(`${service.rest}/#/activity`);
  await page.getByRole("heading", { name: "Activity" }).waitFor();
  const stored = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  assert.ok(!stored.includes(token));
  assert.ok(!(await page.content()).includes(token));

  const addresses = [];
  for (let steps = 0; steps < 2; steps += 1) {
    await page.goBack();
    addresses.push(page.url());
  }
  assert.deepEqual(addresses, [`${service.rest}/`, `${service.rest}/healthz`]);
  await page.context().close();
});

test("a page of another origin cannot frame it", async () => {
  const framing = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end(`<iframe src="${service.rest}/"></iframe>`);
  }).listen(0, "127.0.0.1");
  await once(framing, "listening");
  const page = await browser.newPage();
  const refused = page.waitForEvent("console", (message) => /frame/i.test(message.text()));
  await page.goto(`http://127.0.0.1:${framing.address().port}/`);
  assert.match((await refused).text(), /frame-ancestors 'none'/);
  const [, frame] = page.frames();

  assert.match(frame.url(), /^chrome-error:/);
  await page.context().close();
  framing.close();
});

test("a name of another page that leads to this machine reaches neither page nor calls", async () => {
  const { port } = new URL(service.rest);
  const page = await browser.newPage();
  for (const path of ["/", "/page.json", "/api/trade/v1/bot/leaderboard"]) {
    const answer = await page.goto(`http://${REBOUND}:${port}${path}`);
    assert.equal(answer.status(), 421, path);
    assert.match(await answer.text(), /BOTTRADING_HOSTS/);
  }
  const answer = await page.goto(`http://localhost:${port}/`).catch((error) => error.message);
  assert.match(answer, /ERR_NAME_NOT_RESOLVED/, "the browser of this test knows no other name");
  await page.context().close();
});

test("other people's names are text on the public leaderboard, and on every chart and dialog", async () => {
  const hostile = await newPerson(service, { label: HOSTILE, options: ["--name", HOSTILE] });
  await hostile.bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  const own = await newPerson(service);
  await own.bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });

  for (const token of [undefined, own.token]) {
    const page = await openPage(browser, service, { token, screen: "leaderboard" });
    await page.getByRole("row").filter({ hasText: HOSTILE }).waitFor();
    await page.getByRole("listitem").filter({ hasText: HOSTILE }).waitFor();
    await unharmed(page);
  }
  const page = await openPage(browser, service, { token: hostile.token, screen: "developer" });
  await page.getByRole("button", { name: `Revoke ${HOSTILE}` }).click();
  await page.getByRole("dialog", { name: `Revoke “${HOSTILE}”?` }).waitFor();
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText(`“${HOSTILE}” is revoked.`).waitFor();
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill(HOSTILE);
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByRole("heading", { name: `“${HOSTILE}” is made` }).waitFor();
  await unharmed(page);
});

async function unharmed(page) {
  await settled(page);
  const harm = await page.evaluate(() => [window.hacked, document.querySelectorAll("img, b").length]);
  assert.deepEqual(harm, [undefined, 0]);
  assert.deepEqual(page.problems, []);
  await page.context().close();
}
