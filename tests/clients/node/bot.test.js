// A bot that is not written in Python: only the .proto files are shared with the server.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { status } from '@grpc/grpc-js';

import { call, refused } from './support/contract.js';
import { startService } from './support/service.js';
import { limitBuy, marketBuy, newTrader } from './support/trader.js';

// Far above what a price moves and slips between two calls, far below a wrong decimal point.
const PRICE_TOLERANCE = 0.005;

let service;
let trader;

before(async () => {
  service = await startService();
  trader = await newTrader(service, 'ada');
});

// A test may end the service.
beforeEach(() => service.start());

after(() => service?.stop());

test('a key trades on the account of the person who made it', async () => {
  const { account } = await trader.trading('GetAccount');

  assert.equal(account.display_name, 'ada');
  assert.equal(account.user_type, 'USER_TYPE_HUMAN');
  assert.equal(account.environment, 'ENVIRONMENT_SIMULATED');
});

test('a MARKET order is answered FILLED at the quote', async () => {
  const { quote } = await trader.market('GetQuote', { symbol: 'AAPL' });
  const order = await trader.buy('AAPL', '1');

  assert.equal(order.status, 'ORDER_STATUS_FILLED');
  assert.equal(order.order_type, 'ORDER_TYPE_MARKET');
  assert.equal(order.filled_quantity, '1.00000000');
  assert.match(order.filled_price, /^\d+\.\d{8}$/);
  const distance = Math.abs(order.filled_price / quote.ask - 1);
  assert.ok(distance < PRICE_TOLERANCE, `filled at ${order.filled_price}, ask ${quote.ask}`);
});

test('the running bar is the last one and goes as far as the quotes do', async () => {
  const { quote } = await trader.market('GetQuote', { symbol: 'AAPL' });
  const { bars } = await trader.market('ListBars', { symbol: 'AAPL', interval: 'BAR_INTERVAL_1D' });
  const { low, high, complete } = bars.at(-1);

  assert.equal(complete, false);
  assert.ok(Number(low) <= Number(quote.last), `${low} is above ${quote.last}`);
  assert.ok(Number(high) >= Number(quote.last), `${high} is below ${quote.last}`);
});

test('an order repeated with its client_order_id is the first one', async () => {
  const request = { ...marketBuy('SPY', '1'), client_order_id: 'node-1' };
  const first = await trader.place(request);
  const second = await trader.place(request);

  assert.equal(first.replayed, false);
  assert.deepEqual(second, { ...first, replayed: true });
});

test('a LIMIT order below the market rests until it is cancelled', async () => {
  const order = await trader.place(limitBuy('KO', '1', '0.01'));
  assert.equal(order.status, 'ORDER_STATUS_OPEN');
  assert.equal(order.limit_price, '0.01000000');
  assert.ok(!('filled_price' in order), 'nothing is filled: the optional price is absent');
  assert.deepEqual(await openOrders('KO'), [order]);

  const cancelled = (await trader.trading('CancelOrder', { order_id: order.id })).order;
  assert.equal(cancelled.id, order.id);
  assert.equal(cancelled.status, 'ORDER_STATUS_CANCELLED');
  assert.equal(cancelled.status_reason, 'STATUS_REASON_REQUESTED');
  assert.deepEqual(await openOrders('KO'), []);
});

test('a fill is in the portfolio and in the indicators', async () => {
  await trader.buy('MSFT', '2');

  const { portfolio } = await trader.trading('GetPortfolio');
  const position = portfolio.positions.find(({ symbol }) => symbol === 'MSFT');
  assert.equal(position.quantity, '2.00000000');
  assert.equal(position.asset_type, 'ASSET_TYPE_STOCK');
  assert.match(portfolio.total_equity, /^\d+\.\d{2}$/);

  const { kpi } = await trader.trading('GetTradingKpi');
  assert.equal(typeof kpi.total_return_pct, 'number');
  assert.equal(kpi.total_trades, 0);
  assert.ok(!('win_rate' in kpi), 'nothing was sold: the optional ratio is absent');
});

test('a refused order says why in a form that a program can read', async () => {
  const { limit_price: _, ...request } = limitBuy('AAPL', '1', '1');
  const refusal = await refused(trader.trading('PlaceOrder', request));

  assert.equal(refusal.code, status.INVALID_ARGUMENT);
  assert.equal(refusal.status.code, status.INVALID_ARGUMENT);
  assert.equal(refusal.status.message, refusal.details);
  assert.equal(refusal.errorInfo.reason, 'LIMIT_PRICE_REQUIRED');
  assert.equal(refusal.errorInfo.domain, 'bottrading');
  assert.match(refusal.trailers['x-request-id'], /./);
});

test('a wrong key is refused', async () => {
  const wrong = { 'x-bot-key': 'tvt_wrong' };
  const refusal = await refused(trader.trading('GetAccount', {}, wrong));

  assert.equal(refusal.code, status.UNAUTHENTICATED);
  assert.equal(refusal.errorInfo.reason, 'BOT_KEY_INVALID');
});

test('a revoked key is refused at once', async () => {
  const { id, key } = await trader.createKey('short-lived');
  const shortLived = { 'x-bot-key': key };
  await trader.trading('GetAccount', {}, shortLived);

  const { bot_key: revoked } = await trader.manage('RevokeBotKey', { key_id: id });
  assert.equal(revoked.id, id);
  assert.ok(revoked.revoked_at);

  const refusal = await refused(trader.trading('GetAccount', {}, shortLived));
  assert.equal(refusal.code, status.UNAUTHENTICATED);
  assert.equal(refusal.errorInfo.reason, 'BOT_KEY_INVALID');
});

test('an answer tells what is left of the rate limit', async () => {
  const { trailers } = await call(service.clients.BotTrading, 'GetAccount', {}, trader.bot);

  assert.match(trailers['x-ratelimit-limit'], /^\d+$/);
  assert.match(trailers['x-ratelimit-remaining'], /^\d+$/);
  assert.match(trailers['x-ratelimit-reset'], /^\d+$/);
  assert.ok(Number(trailers['x-ratelimit-remaining']) < Number(trailers['x-ratelimit-limit']));
});

test('SIGTERM ends the service with exit status 0', async () => {
  assert.equal(await service.terminate(), 0);
});

async function openOrders(symbol) {
  return (await trader.trading('ListOrders', { symbol, status: 'ORDER_STATUS_OPEN' })).orders;
}
