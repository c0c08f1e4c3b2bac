// Takes the pictures of docs/images: every screen after bots traded through the invented year of the replay.
//
// `make pictures` runs it. It takes three minutes.

import { mkdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { KeyManagementClient } from "bottrading-client";

import { STRATEGIES } from "./strategies.js";
import { newPerson, openPage, settled, startBrowser, startPage } from "./support.js";

const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const IMAGES = root("docs/images");
const REPLAY = ["--market", "replay", "--replay-file", root("examples/replay/a-year-of-days.csv")];
const FAST = ["--replay-speed", "250000"];
/** So slow that little moves while pictures are taken, and so fast that the next quotes come soon. */
const SLOW = ["--replay-speed", "4000"];
const DEPOSITED_AT = "2025-07-15";
/** From then on the pictures are taken as soon as there is a position to show. */
const TRADED_UNTIL = "2025-11-10";
const PAUSE_MS = 60;
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };

const service = await startPage({ BOTTRADING_PUBLIC_LEADERBOARD: "true" }, {
  options: [...REPLAY, ...SLOW],
});
const browser = await startBrowser();
try {
  const me = await traded();
  await service.terminate();
  await service.start(...SLOW);
  await priced(me.bot);
  mkdirSync(IMAGES, { recursive: true });
  for (const dark of [false, true]) {
    await take(me, "account", { dark });
    await take(me, "account", { dark, size: NARROW });
    await take(me, "activity", { dark });
    await take(me, "leaderboard", { dark });
    await take(me, "developer", { dark });
  }
  await take(me, "leaderboard", { dark: false, size: NARROW });
  await take(me, "developer", { dark: false, act: makeKey, name: "new-key" });
} finally {
  await Promise.all([browser.close(), service.stop()]);
}

/** Let everybody's bots trade through most of the year; return the person whose screens are shown. */
async function traded() {
  const people = [];
  for (const [name, strategy] of Object.entries(STRATEGIES)) {
    const person = await newPerson(service, { label: strategy.label, options: ["--name", name] });
    people.push({ ...person, trade: strategy.start(person.bot) });
  }
  const [me] = people;
  me.accountId = (await me.bot.account()).bot_user_id;
  const operator = new KeyManagementClient({
    token: service.token("operator", "--operator"),
    baseUrl: service.rest,
  });
  await me.manager.createKey({ label: "risk monitor", scopes: ["READ"] });
  await me.manager.createKey({
    label: "bitcoin only",
    allowed_symbols: ["BTC-USD"],
    order_notional_max: "5000",
  });
  await service.terminate();
  await service.start(...FAST);
  await me.manager.setGuardRails(me.accountId, { order_notional_max: "40000", daily_loss_max: "5000" });
  let isDeposited = false;
  for (;;) {
    const { time } = await me.bot.clock();
    if (time >= TRADED_UNTIL && (await me.bot.positions()).length > 0) break;
    if (time >= DEPOSITED_AT && !isDeposited) {
      await operator.deposit(me.accountId, "10000");
      isDeposited = true;
    }
    await Promise.all(people.map(({ trade }) => trade()));
    await pause(PAUSE_MS);
  }
  const [aapl, spy] = await me.bot.quotes(["AAPL", "SPY"]);
  await me.bot.placeOrder(dip(aapl, "8", 0.9));
  await me.bot.placeOrder(dip(spy, "5", 0.95));
  return me;
}

/** Return an order that waits for a lower price. */
function dip({ symbol, bid }, quantity, share) {
  const limit_price = (Number(bid) * share).toFixed(2);
  return { symbol, side: "BUY", quantity, order_type: "LIMIT", limit_price };
}

/** Wait until the restarted replay has played quotes of everything that is held. */
async function priced(bot) {
  while ((await bot.positions()).some(({ current_price }) => current_price === null)) {
    await pause(PAUSE_MS);
  }
}

async function take({ token }, screen, { dark, size = WIDE, act, name = screen }) {
  const page = await openPage(browser, service, { token, screen, dark });
  await page.setViewportSize(size);
  await settled(page);
  if (screen === "account") {
    await page.getByRole("radio", { name: "All" }).check({ force: true });
    await page.getByRole("radio", { name: "1 day" }).check({ force: true });
    await page.getByRole("img", { name: /since the start/ }).first().waitFor();
  }
  await act?.(page);
  await settled(page);
  await page.evaluate(drawnFromTheTop);
  const file = [name, size === NARROW ? "narrow" : "", dark ? "dark" : "light"].filter(Boolean).join("-");
  await page.mouse.move(0, 0);
  await page.screenshot({ path: `${IMAGES}/${file}.png`, animations: "disabled" });
  await page.context().close();
}

/** Scroll to the top, without a place for a scroll bar; two frames later all is drawn. */
function drawnFromTheTop() {
  document.documentElement.style.scrollbarGutter = "auto";
  scrollTo(0, 0);
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}

async function makeKey(page) {
  await page.getByRole("button", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill("mean reversion");
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByLabel("Python").check({ force: true });
}
