// The page for everybody: axe finds nothing, and narrow screens show everything.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { newPerson, openPage, RESTING, SCREENS, settled, startBrowser, startPage } from "./support.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NARROW = 360;

let service;
let browser;
let token;

before(async () => {
  service = await startPage();
  browser = await startBrowser();
  const person = await newPerson(service);
  token = person.token;
  await person.bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "10" });
  await person.bot.placeOrder({ symbol: "BTC-USD", side: "BUY", quantity: "0.1" });
  await person.bot.placeOrder({ symbol: "KO", ...RESTING });
});

after(() => Promise.all([service?.stop(), browser?.close()]));

/** Return what axe finds, one line each. */
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run());
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`),
  );
}

for (const dark of [false, true]) {
  for (const screen of SCREENS) {
    test(`axe finds nothing on "${screen}", ${dark ? "dark" : "light"}, wide or narrow`, async () => {
      const page = await openPage(browser, service, { token, screen, dark });
      await settled(page);
      assert.deepEqual(await violations(page), []);
      await page.setViewportSize({ width: NARROW, height: 800 });
      assert.deepEqual(await violations(page), []);
      await page.context().close();
    });
  }
}

test("axe finds nothing in the dialogs and on the way in", async () => {
  const signIn = await openPage(browser, service);
  await signIn.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual(await violations(signIn), []);
  await signIn.context().close();

  const page = await openPage(browser, service, { token, screen: "developer" });
  await settled(page);
  await page.getByRole("button", { name: "Make a key" }).click();
  assert.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Halt trading" }).click();
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

for (const screen of SCREENS) {
  test(`"${screen}" fits a screen of ${NARROW} pixels`, async () => {
    const page = await openPage(browser, service, { token, screen, width: NARROW });
    await settled(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= NARROW, `${width} pixels`);
    await page.context().close();
  });
}
