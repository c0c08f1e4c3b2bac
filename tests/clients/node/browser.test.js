// A web page that follows what happens, with nothing in its script but an EventSource.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { startBrowser } from './support/browser.js';
import { guide } from './support/environment.js';
import { startService } from './support/service.js';
import { newTrader } from './support/trader.js';

const API = '/api/trade/v1/bot';

let service;
let browser;
let trader;
let page;
let requests;
let answers;

before(async () => {
  service = await startService({ rest: true });
  browser = await startBrowser();
});

beforeEach(async () => {
  // A test may end the service.
  await service.start();
  trader = await newTrader(service);
  page = await browser.newPage();
  requests = [];
  answers = [];
  page.on('request', (request) => requests.push(request));
  page.on('response', (answer) => answers.push(answer));
  // Any page of the bridge: what counts is that the calls go to its own origin.
  await page.goto(`${service.rest}/healthz`);
});

afterEach(() => page?.context().close());

after(() => Promise.all([service?.stop(), browser?.close()]));

test('an EventSource misses nothing and repeats nothing, however the service ends', async () => {
  const ticket = await follow('order-updates', ['order_update']);
  const orders = [await trader.buy('AAPL', '1')];
  await received(2);

  for (const end of ['kill', 'terminate']) {
    await service[end]();
    await page.waitForFunction(() => window.source.readyState === EventSource.CONNECTING);
    // Kept away for a while, so that it certainly misses something.
    await page.context().setOffline(true);
    await service.start();
    orders.push(await trader.buy('MSFT', '1'), await trader.buy('KO', '1'));
    await page.context().setOffline(false);
    await page.waitForFunction(() => window.source.readyState === EventSource.OPEN);
    orders.push(await trader.buy('SPY', '1'));
    await received(2 * orders.length);
  }

  // The account's opening is the first entry of its log; each order adds two.
  assert.deepEqual(
    await told(({ id, data: { type, order } }) => [id, type, order.id]),
    orders.flatMap(({ id }, index) => [
      [String(2 * index + 2), 'ACCEPTED', id],
      [String(2 * index + 3), 'FILLED', id],
    ]),
  );
  assert.deepEqual(await resumedAfter('order-updates'), [undefined, '3', '9']);

  await service.terminate();
  assert.match(service.log, /"method":"StreamOrderUpdates"/);
  for (const secret of [trader.key, ticket]) assert.ok(!service.log.includes(secret));
  for (const request of requests) assert.ok(!request.url().includes(trader.key), request.url());
});

test('quotes come to an EventSource as they change, also after a crash', async () => {
  const symbols = ['AAPL', 'BTC-USD'];
  await follow(`quote-updates?symbols=${symbols}`, ['quote']);
  await changesOf(symbols);

  await service.kill();
  await page.waitForFunction(() => window.source.readyState === EventSource.CONNECTING);
  await page.evaluate(() => window.events.splice(0));
  await service.start();
  await changesOf(symbols);

  for (const { id, data } of await told()) {
    assert.equal(id, '', 'quotes have no ids');
    assert.ok(Number(data.bid) > 0 && Number(data.bid) <= Number(data.ask));
  }
});

test('the EventSource of a revoked key is closed for good', async () => {
  await follow('order-updates', ['order_update']);
  const [refused] = await Promise.all([
    page.waitForResponse((response) => response.url().includes('/order-updates?')),
    trader.manage('RevokeBotKey', { key_id: trader.keyId }),
  ]);

  assert.equal(refused.status(), 401);
  await page.waitForFunction(() => window.source.readyState === EventSource.CLOSED);
});

test('the script of the guide follows an order', async () => {
  const [, script] = readFileSync(guide, 'utf8').match(/^```js\n(.*?)^```$/ms);
  const lines = [];
  page.on('console', (message) => lines.push(message.text()));
  await Promise.all([
    page.waitForResponse((response) => response.url().includes('/order-updates?')),
    page.evaluate(`(async (key) => { ${script} })('${trader.key}')`),
  ]);

  await Promise.all([
    page.waitForEvent('console', (message) => message.text().startsWith('3 ')),
    trader.buy('AAPL', '1'),
  ]);
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['2', '3'],
  );
});

/** Open an EventSource with a ticket and wait until it is open. */
function follow(stream, names) {
  const path = `${API}/${stream}${stream.includes('?') ? '&' : '?'}`;
  return page.evaluate(
    async ({ api, path, key, names }) => {
      const asked = await fetch(`${api}/stream-tickets`, {
        method: 'POST',
        headers: { 'X-Bot-Key': key },
      });
      const { ticket } = await asked.json();
      window.events = [];
      window.source = new EventSource(`${path}ticket=${ticket}`);
      for (const name of names) {
        window.source.addEventListener(name, ({ lastEventId: id, data }) => {
          window.events.push({ id, data: JSON.parse(data) });
        });
      }
      await new Promise((resolve) => window.source.addEventListener('open', resolve));
      return ticket;
    },
    { api: API, path, key: trader.key, names },
  );
}

/** Return the Last-Event-ID of each time that the page could open a stream. */
async function resumedAfter(stream) {
  const opened = answers.filter((answer) => answer.url().includes(`/${stream}?`) && answer.ok());
  const heads = await Promise.all(opened.map((answer) => answer.request().allHeaders()));
  return heads.map((head) => head['last-event-id']);
}

/** Wait until the page has two different quotes of each symbol. */
function changesOf(symbols) {
  return page.waitForFunction((wanted) => {
    const seen = new Set(window.events.map(({ data }) => `${data.symbol} ${data.sequence}`));
    const count = (symbol) => [...seen].filter((quote) => quote.startsWith(`${symbol} `)).length;
    return wanted.every((symbol) => count(symbol) >= 2);
  }, symbols);
}

/** Wait until the page has so many events. */
function received(count) {
  return page.waitForFunction((wanted) => window.events.length >= wanted, count);
}

/** Return the events that the page has. */
async function told(view = (event) => event) {
  return (await page.evaluate(() => window.events)).map(view);
}
