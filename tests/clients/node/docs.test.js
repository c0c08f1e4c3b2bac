// The pages of the bridge about its API, in a real browser: they work, and ask no other host for anything.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { startBrowser } from './support/browser.js';
import { startService } from './support/service.js';

let service;
let browser;
let page;
let requests;
let complaints;

before(async () => {
  service = await startService({ rest: true, settings: { BOTTRADING_PAGE: 'false' } });
  browser = await startBrowser();
});

beforeEach(async () => {
  page = await browser.newPage();
  requests = [];
  complaints = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
});

after(() => Promise.all([service?.stop(), browser?.close()]));

test('Swagger UI shows the calls and tries one, without another host', async () => {
  await page.goto(`${service.rest}/docs`);
  await page.getByText('Places an order', { exact: false }).first().waitFor();
  await page.locator('#operations-BotTrading-GetAccount').getByRole('button').first().click();
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.getByText('BOT_KEY_INVALID').first().waitFor();

  assertOwn(requests);
  assert.deepEqual(complaints.filter((text) => !text.includes('401')), []);
});

test('the start page leads to the calls', async () => {
  await page.goto(service.rest);
  await page.getByRole('link', { name: '/docs' }).click();
  await page.getByText('Places an order', { exact: false }).first().waitFor();

  assertOwn(requests);
  assert.deepEqual(complaints, []);
});

function assertOwn(urls) {
  const foreign = urls.filter((url) => !url.startsWith(service.rest) && !url.startsWith('data:'));
  assert.deepEqual(foreign, []);
}
