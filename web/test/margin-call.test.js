// A short position that is squeezed: what the activity and the account of the page say.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { newPerson, openPage, startBrowser, startPage } from "./support.js";

const QUOTES = `time,symbol,bid,bid_size,ask,ask_size
2025-01-02T12:00:00Z,AAPL,100,9000,100,9000
2025-01-03T12:00:00Z,AAPL,130,100,130,100
2025-01-04T12:00:00Z,AAPL,170,9000,170,9000
`;
const FREE = { BOTTRADING_SLIPPAGE: "none", BOTTRADING_FEES: "none" };

let folder;
let service;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "bottrading-squeeze-"));
  const file = join(folder, "quotes.csv");
  writeFileSync(file, QUOTES);
  const replay = ["--market", "replay", "--replay-file", file, "--replay-clock", "step"];
  service = await startPage(FREE, { options: [...replay, "--sessions", "always-open"] });
  browser = await startBrowser();
});

after(async () => {
  await Promise.all([service?.stop(), browser?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

test("interest, a margin call and a bankruptcy are told, and who bought", async () => {
  const { token, manager, bot } = await newPerson(service);
  const until = (day) => bot.advanceClock({ until: `2025-01-0${day}T12:00:01Z` });
  await manager.setMarginMode((await bot.account()).bot_user_id, "MARGIN");
  await until(2);
  await bot.placeOrder({ symbol: "AAPL", side: "SELL", quantity: "1500" });
  const page = await openPage(browser, service, { token, screen: "activity" });
  const entries = page.getByRole("list", { name: "Log, newest first" });
  await entries.getByText("Sell 1,500 AAPL at 100.00").waitFor();

  await until(3);
  // A night costs 1 500 x 100 x 1 % / 365; the equity is then 100 000 - 1 500 x 30 - 4.11.
  await entries
    .getByText("$0.00 for the loan and $4.11 for borrowed shares, 1 night, now $249,995.89 in cash")
    .waitFor();
  await entries
    .getByText(
      "Equity of $54,995.89 is below the maintenance margin of $58,500.00: " +
        "the venue closes positions",
    )
    .waitFor();
  await entries.getByText("Buy 100 AAPL at 130.00, −$3,000.00").waitFor();
  await entries.getByText("Buy 1,500 AAPL: margin restored").waitFor();
  assert.equal(await page.getByRole("banner").getByText("Halted").count(), 0);

  await until(4);
  // After another night of 4.99, the 1 400 that are left cost 238 000.
  await entries
    .getByText("Equity is zero or less, $236,990.90 in cash: halted until a reset")
    .waitFor();
  await entries.getByText("Buy 1,400 AAPL at 170.00, −$98,000.00").waitFor();
  const lost = await entries.locator(".tag-loss").allInnerTexts();
  assert.ok(lost.includes("Bankrupt") && lost.includes("Margin call"), String(lost));
  await page.getByRole("banner").getByText("Halted").waitFor();

  await page.getByRole("link", { name: "Account" }).click();
  const fills = page.getByRole("table", { name: "Fills" });
  await fills.getByRole("row", { name: /1,400/ }).getByText("The venue").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
