// Stops, replacements, previews and guard rails, on a market whose every quote the test publishes.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { status } from '@grpc/grpc-js';

import { call, refused } from './support/contract.js';
import { startService } from './support/service.js';
import { limitBuy, marketBuy, newTrader } from './support/trader.js';

let service;
let operator;
let trader;

before(async () => {
  service = await startService({
    options: ['--market', 'published'],
    // Fills are exactly at the quote.
    settings: { BOTTRADING_SLIPPAGE: 'none' },
  });
  operator = { authorization: `Bearer ${service.token('operator', '--operator')}` };
});

beforeEach(async () => {
  trader = await newTrader(service);
});

after(() => service?.stop());

test('a preview tells to the cent what the order then does, and records nothing', async () => {
  await publish('AAPL', '99.90', '100.00');
  const request = marketBuy('AAPL', '10');
  const { preview } = await trader.trading('PreviewOrder', request);
  assert.deepEqual((await trader.trading('ListOrders')).orders, []);

  const order = await trader.place(request);
  const { account } = await trader.trading('GetAccount');
  assert.equal(preview.order.id, '');
  assert.deepEqual(preview.rejections, []);
  assert.equal(order.status, 'ORDER_STATUS_FILLED');
  assert.deepEqual(
    [preview.order.status, preview.order.filled_price, preview.estimated_fees],
    [order.status, order.filled_price, order.fees],
  );
  assert.equal(preview.buying_power_after, account.buying_power);
});

test('a preview names every rule that would reject the order', async () => {
  await publish('AAPL', '99.90', '100.00');
  const { preview } = await trader.trading('PreviewOrder', marketBuy('AAPL', '100000'));

  assert.equal(preview.order.status, 'ORDER_STATUS_REJECTED');
  assert.deepEqual(preview.rejection_reasons, ['ERROR_REASON_INSUFFICIENT_BUYING_POWER']);
  assert.equal(preview.rejections.length, 1);
});

test('a live order is replaced in one step and keeps its id', async () => {
  await publish('AAPL', '99.90', '100.00');
  const order = await trader.place(limitBuy('AAPL', '10', '90.00'));

  const change = { order_id: order.id, quantity: '20', limit_price: '91.50' };
  const replaced = (await trader.trading('ReplaceOrder', change)).order;
  assert.equal(replaced.id, order.id);
  assert.equal(replaced.status, 'ORDER_STATUS_OPEN');
  assert.equal(replaced.quantity, '20.00000000');
  assert.equal(replaced.limit_price, '91.50000000');

  const intoTheMarket = { order_id: order.id, limit_price: '101.00' };
  const filled = (await trader.trading('ReplaceOrder', intoTheMarket)).order;
  assert.equal(filled.status, 'ORDER_STATUS_FILLED');
  assert.equal(filled.filled_price, '100.00000000');

  const refusal = await refused(trader.trading('ReplaceOrder', change));
  assert.equal(refusal.code, status.FAILED_PRECONDITION);
  assert.equal(refusal.errorInfo.reason, 'ORDER_NOT_LIVE');
});

test('a STOP order waits for its price, is triggered and filled, and all of it is told', async () => {
  await publish('AAPL', '99.90', '100.00');
  const updates = trader.follow({});
  await updates.next();
  const stop = { order_type: 'ORDER_TYPE_STOP', stop_price: '101.00' };
  const request = { ...marketBuy('AAPL', '10'), ...stop };
  const order = await trader.place(request);
  assert.equal(order.status, 'ORDER_STATUS_OPEN');
  assert.equal(order.triggered_at, null);

  await publish('AAPL', '100.90', '100.99');
  assert.deepEqual((await trader.trading('GetOrder', { order_id: order.id })).order, order);

  await publish('AAPL', '101.90', '102.00');
  const filled = (await trader.trading('GetOrder', { order_id: order.id })).order;
  assert.equal(filled.status, 'ORDER_STATUS_FILLED');
  assert.equal(filled.filled_price, '102.00000000');
  assert.ok(filled.triggered_at);

  const told = [await updates.next(), await updates.next(), await updates.next()];
  updates.cancel();
  assert.deepEqual(
    told.map(({ order_update: update }) => update.type),
    ['ACCEPTED', 'TRIGGERED', 'FILLED'].map((type) => `ORDER_UPDATE_TYPE_${type}`),
  );
  assert.deepEqual(told.at(-1).order_update.order, filled);
});

test('a halted account cancels everything at once and takes no order', async () => {
  await publish('AAPL', '99.90', '100.00');
  const older = await trader.place(limitBuy('AAPL', '1', '90.00'));
  const newer = await trader.place(limitBuy('KO', '1', '0.01'));
  const updates = trader.follow({});
  await updates.next();

  const account = await setTradingState('TRADING_STATE_HALTED');
  assert.equal(account.trading_state, 'TRADING_STATE_HALTED');
  assert.equal(account.buying_power, account.balance);

  const told = [await updates.next(), await updates.next(), await updates.next()];
  updates.cancel();
  // One transaction: each names the last of them.
  const end = told.at(-1).sequence;
  for (const message of told) {
    const { transaction_end: named } = message.order_update ?? message.account_update;
    assert.equal(named, end);
  }
  const cancelled = told.filter(({ order_update: update }) => update);
  assert.deepEqual(
    cancelled.map(({ order_update: { order } }) => order.id).sort(),
    [older.id, newer.id].sort(),
  );
  for (const { order_update: update } of cancelled) {
    assert.equal(update.type, 'ORDER_UPDATE_TYPE_CANCELLED');
    assert.equal(update.order.status_reason, 'STATUS_REASON_TRADING_HALTED');
  }

  const rejected = await trader.place(marketBuy('AAPL', '1'));
  assert.equal(rejected.status, 'ORDER_STATUS_REJECTED');
  assert.equal(rejected.rejection_reason, 'ERROR_REASON_TRADING_HALTED');

  await setTradingState('TRADING_STATE_ACTIVE');
  await trader.buy('AAPL', '1');
});

test('a guard rail stands before every order until it is lifted', async () => {
  await publish('AAPL', '99.90', '100.00');
  const rails = await setGuardRails({ order_notional_max: '500' });
  assert.equal(rails.order_notional_max, '500.00');
  assert.ok(!('daily_loss_max' in rails), 'no limit: the optional amount is absent');

  await trader.buy('AAPL', '5');
  const rejected = await trader.place(marketBuy('AAPL', '6'));
  assert.equal(rejected.status, 'ORDER_STATUS_REJECTED');
  assert.equal(rejected.rejection_reason, 'ERROR_REASON_ORDER_NOTIONAL_EXCEEDED');
  assert.match(rejected.rejection_message, /./);

  await setGuardRails({});
  await trader.buy('AAPL', '6');
});

test('a key for reading reads and does not trade', async () => {
  const { key } = await trader.createKey('reader', { scopes: ['KEY_SCOPE_READ'] });
  const reader = { 'x-bot-key': key };
  assert.ok((await trader.trading('GetPortfolio', {}, reader)).portfolio);

  const order = limitBuy('AAPL', '1', '90.00');
  for (const [method, request] of [
    ['PlaceOrder', order],
    ['CancelAllOrders', {}],
  ]) {
    const refusal = await refused(trader.trading(method, request, reader));
    assert.equal(refusal.code, status.PERMISSION_DENIED, method);
    assert.equal(refusal.errorInfo.reason, 'KEY_SCOPE_MISSING', method);
  }
});

test('the clock tells for each kind of instrument whether its market is open', async () => {
  const { clock } = await trader.market('GetMarketClock');
  const kinds = clock.sessions.map((session) => session.asset_type.replace('ASSET_TYPE_', ''));

  assert.deepEqual(kinds.sort(), ['COMMODITY', 'CRYPTO', 'ETF', 'FOREX', 'OPTION', 'STOCK']);
  assert.ok(Number(clock.time.seconds) > 0);
  for (const session of clock.sessions) {
    // Without `--sessions exchange` everything trades always.
    assert.equal(session.open, true);
    assert.equal(session.next_close, null);
  }
});

/** Publish a quote; when this returns, the orders that it reaches are filled. */
async function publish(symbol, bid, ask) {
  const quote = { symbol, bid, bid_size: '1000', ask, ask_size: '1000' };
  const { MarketData } = service.clients;
  const { answer } = await call(MarketData, 'PublishQuotes', { quotes: [quote] }, operator);
  assert.deepEqual(answer, { accepted: 1, refused: [] });
}

async function setTradingState(state) {
  const request = { account_id: await accountId(), trading_state: state };
  return (await trader.manage('SetTradingState', request)).account;
}

async function setGuardRails(rails) {
  const request = { account_id: await accountId(), ...rails };
  return (await trader.manage('SetGuardRails', request)).guard_rails;
}

async function accountId() {
  return (await trader.trading('GetAccount')).account.bot_user_id;
}
