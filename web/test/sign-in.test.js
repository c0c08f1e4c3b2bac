// Signing in at an identity provider.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startProvider } from "./identity-provider.js";
import { openPage, startBrowser, startPage } from "./support.js";

let provider;
let service;
let browser;

before(async () => {
  provider = await startProvider();
  service = await startPage(provider.settings);
  browser = await startBrowser();
});

after(async () => {
  await Promise.all([service?.stop(), browser?.close()]);
  provider?.stop();
});

test("a person signs in at the identity provider and comes back", async () => {
  const page = await openPage(browser, service);
  await page.getByRole("button", { name: /^Continue with 127\.0\.0\.1/ }).click();
  await page.getByRole("heading", { name: "Total equity" }).waitFor();

  await page.getByText("Ada", { exact: true }).waitFor();
  assert.ok(!/code|state/.test(page.url()), page.url());
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a token for another sign-in is refused", async (t) => {
  provider.claims.nonce = "another";
  t.after(() => delete provider.claims.nonce);
  const page = await openPage(browser, service);
  await page.getByRole("button", { name: /^Continue with/ }).click();

  await page.getByText("answered another sign-in").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.context().close();
});

test("a code that this tab did not ask for is refused", async () => {
  const page = await browser.newPage();
  await page.goto(`${service.rest}/?code=stolen&state=forged`);

  await page.getByText("not started in this tab").waitFor();
  assert.equal(page.url(), `${service.rest}/`);
  await page.context().close();
});
