// The page without a pointer: everything is reached with Tab, and the focus is visible.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { BotTradingClient } from "bottrading-client";

import { RESTING, startBrowser, startPage } from "./support.js";

const TABS_MAX = 80;

let service;
let browser;
let page;

before(async () => {
  service = await startPage();
  browser = await startBrowser();
  page = await browser.newPage();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("a person signs in, makes a key, cancels, closes, halts and revokes by keyboard alone", async () => {
  await page.goto(service.link());
  await page.getByText("No positions").waitFor();
  const bot = new BotTradingClient({ botKey: await makeKey(), baseUrl: service.rest });
  await bot.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
  await bot.placeOrder({ symbol: "KO", ...RESTING });

  await press("Account");
  await page.getByRole("row", { name: /KO/ }).first().waitFor();
  await press("Cancel BUY 1 KO");
  await page.getByText("No live orders").waitFor();
  await page.getByRole("button", { name: "Close AAPL" }).waitFor();
  await press("Close AAPL");
  await confirm("Close AAPL");
  await page.getByText("No positions").waitFor();

  await press("Developer");
  await press("Halt trading");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await focused()).name, "Halt trading", "the focus is where it was");
  await page.keyboard.press("Enter");
  await confirm("Halt trading");
  await page.getByRole("banner").getByText("Halted").waitFor();
  await press("Revoke typed");
  await confirm("Revoke key");
  await page.getByText("No keys yet").waitFor();
  await press("Sign out");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("a choice of one is made with the arrows, and the first Tab skips to the content", async () => {
  await page.goto(service.link());
  await page.getByText("No positions").waitFor();
  await page.keyboard.press("Tab");
  assert.equal((await focused()).name, "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal((await focused()).id, "content");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");

  await page.getByRole("img", { name: /^Equity over a week/ }).waitFor();
});

async function makeKey() {
  await press("Developer");
  await press("Make a key");
  await page.getByRole("dialog").waitFor();
  assert.equal((await focused()).name, "Name", "a form begins at its first field");
  await page.keyboard.type("typed");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "“typed” is made" }).waitFor();
  await page.keyboard.press("Escape");
  const key = await page.getByLabel("Bot key", { exact: true }).innerText();
  await press("I have copied it");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  return key;
}

/** Answer a question, in which the button that changes nothing has the focus first. */
async function confirm(action) {
  await page.getByRole("dialog").waitFor();
  assert.equal((await focused()).name, "Go back");
  await press(action);
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Tab to the element with a name, check that each focus is visible, and press Enter. */
async function press(name) {
  const passed = [];
  do {
    await page.keyboard.press("Tab");
    const at = await focused();
    passed.push(at.name);
    assert.ok(at.isSeen, `${at.name} shows that it has the focus`);
    assert.ok(passed.length < TABS_MAX, `${name} is not among ${passed.join(", ")}`);
  } while (passed.at(-1) !== name);
  await page.keyboard.press("Enter");
}

function focused() {
  return page.evaluate(() => {
    const element = document.activeElement;
    const label = element.labels?.[0]?.textContent ?? element.textContent;
    // A radio button is as small as a pixel: its text shows the focus.
    const shown = element.matches("[type=radio]") ? element.nextElementSibling : element;
    const { outlineStyle, boxShadow } = getComputedStyle(shown);
    return {
      name: (element.getAttribute("aria-label") ?? label).trim(),
      id: element.id,
      // A new screen begins with the focus on all of its content, which needs no mark.
      isSeen: element.tabIndex < 0 || outlineStyle !== "none" || boxShadow !== "none",
    };
  });
}
