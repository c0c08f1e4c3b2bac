// The same modules in a web page of the bridge's origin: nothing of Node is there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startBrowser } from "../../../tests/clients/node/support/browser.js";
import { newPerson, startService } from "./support.js";

const MODULES = "/client/";
const IMPORTS = {
  "bottrading-client": `${MODULES}dist/index.js`,
  "eventsource-parser/stream": `${MODULES}node_modules/eventsource-parser/dist/stream.js`,
};

let service;
let browser;

before(async () => {
  service = await startService({ rest: true });
  browser = await startBrowser();
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test("a page trades and follows what happens, over a crash of the service", async () => {
  const { botKey, client } = await newPerson(service);
  const page = await browser.newPage();
  await page.route(`**${MODULES}**`, async (route) => {
    const path = new URL(route.request().url()).pathname.slice(MODULES.length);
    if (path === "") {
      const importMap = `<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;
      return route.fulfill({ contentType: "text/html", body: importMap });
    }
    const body = await readFile(fileURLToPath(new URL(`../${path}`, import.meta.url)));
    return route.fulfill({ contentType: "text/javascript", body });
  });
  await page.goto(`${service.rest}${MODULES}`);
  await page.evaluate(async (key) => {
    const { BotTradingClient } = await import("bottrading-client");
    const client = new BotTradingClient({ botKey: key, baseUrl: location.origin });
    const order = await client.placeOrder({ symbol: "AAPL", side: "BUY", quantity: "1" });
    window.lines = [order.status];
    window.followed = (async () => {
      for await (const { sequence, kind, type } of client.orderUpdates({ afterSequence: 1 })) {
        window.lines.push(`${sequence} ${kind} ${type}`);
        if (sequence === 5) break;
      }
    })();
  }, botKey);
  await page.waitForFunction(() => window.lines.length === 3);

  await service.kill();
  await service.start();
  await client.placeOrder({ symbol: "KO", side: "BUY", quantity: "1" });
  await page.evaluate(() => window.followed);

  const update = (sequence, type) => `${sequence} order_update ${type}`;
  assert.deepEqual(await page.evaluate(() => window.lines), [
    "FILLED",
    update(2, "ACCEPTED"),
    update(3, "FILLED"),
    update(4, "ACCEPTED"),
    update(5, "FILLED"),
  ]);
  await page.context().close();
});
