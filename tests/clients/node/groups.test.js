// Groups of orders and trailing stops, on a market whose every quote the test publishes.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { status } from '@grpc/grpc-js';

import { call, refused } from './support/contract.js';
import { startService } from './support/service.js';
import { limitBuy, marketBuy, newTrader } from './support/trader.js';

const BRACKET = { order_class: 'ORDER_CLASS_BRACKET', take_profit: { limit_price: '110.00' } };

let service;
let operator;
let trader;

before(async () => {
  service = await startService({
    options: ['--market', 'published'],
    // Fills are exactly at the quote, and cost nothing.
    settings: { BOTTRADING_SLIPPAGE: 'none', BOTTRADING_FEES: 'none' },
  });
  operator = { authorization: `Bearer ${service.token('operator', '--operator')}` };
});

beforeEach(async () => {
  trader = await newTrader(service);
  await publish('99.00', '100.00');
});

after(() => service?.stop());

test('a bracket is placed in one call, and one exit ends the other', async () => {
  const group = { ...BRACKET, stop_loss: { stop_price: '95.00' }, client_order_id: 'group' };
  const request = { ...marketBuy('AAPL', '10'), ...group };
  const entry = await trader.place(request);
  const again = await trader.place(request);
  await publish('110.00', '111.00');
  const [take, stop] = (await trader.trading('GetOrder', { order_id: entry.id })).order.legs;

  assert.equal(entry.status, 'ORDER_STATUS_FILLED');
  assert.deepEqual(
    entry.legs.map(({ leg, held, status: state }) => [leg, held, state]),
    [
      ['ORDER_LEG_TAKE_PROFIT', false, 'ORDER_STATUS_OPEN'],
      ['ORDER_LEG_STOP_LOSS', false, 'ORDER_STATUS_OPEN'],
    ],
  );
  assert.deepEqual([again.id, again.replayed], [entry.id, true]);
  assert.deepEqual([take.status, take.filled_price], ['ORDER_STATUS_FILLED', '110.00000000']);
  assert.equal(stop.status_reason, 'STATUS_REASON_SIBLING_FILLED');
  assert.equal((await trader.trading('GetPortfolio')).portfolio.balance, '100100.00');
});

test('a stop-loss trails from the fill of its entry on', async () => {
  const group = { order_class: 'ORDER_CLASS_OTO', stop_loss: { trail_amount: '5.00' } };
  const entry = await trader.place({ ...limitBuy('AAPL', '10', '90.00'), ...group });
  await publish('89.00', '90.00');
  await publish('104.00', '105.00');
  await publish('99.00', '100.00');
  const [exit] = (await trader.trading('GetOrder', { order_id: entry.id })).order.legs;

  assert.deepEqual([entry.legs[0].held, 'stop_price' in entry.legs[0]], [true, false]);
  assert.deepEqual(
    [exit.order_type, exit.status, exit.stop_price, exit.filled_price],
    ['ORDER_TYPE_TRAILING_STOP', 'ORDER_STATUS_FILLED', '99.00000000', '99.00000000'],
  );
  assert.equal((await trader.trading('GetPortfolio')).portfolio.balance, '100090.00');
});

test('a trailing stop follows a rise, is replaced, and sells in the fall', async () => {
  await trader.buy('AAPL', '10');
  const trail = { order_type: 'ORDER_TYPE_TRAILING_STOP', trail_percent: '10' };
  const order = await trader.place({ ...marketBuy('AAPL', '10'), side: 'SIDE_SELL', ...trail });
  await publish('120.00', '121.00');
  const change = { order_id: order.id, trail_amount: '15.00' };
  const replaced = (await trader.trading('ReplaceOrder', change)).order;
  await publish('105.00', '106.00');
  const sold = (await trader.trading('GetOrder', { order_id: order.id })).order;

  assert.equal(order.stop_price, '89.10000000');
  assert.deepEqual([replaced.stop_price, 'trail_percent' in replaced], ['105.00000000', false]);
  assert.deepEqual([sold.status, sold.filled_price], ['ORDER_STATUS_FILLED', '105.00000000']);
});

test('what is wrong with a group is told by field, and a rejection names its leg', async () => {
  const both = { ...BRACKET, stop_loss: { stop_price: '95.00', trail_percent: '5' } };
  const refusal = await refused(trader.place({ ...marketBuy('AAPL', '10'), ...both }));
  assert.equal(refusal.code, status.INVALID_ARGUMENT);
  assert.equal(refusal.errorInfo.reason, 'STOP_PRICE_NOT_ALLOWED');

  const group = { ...BRACKET, stop_loss: { trail_percent: '5' } };
  const rejected = await trader.place({ ...marketBuy('AAPL', '5000'), ...group });
  assert.equal(rejected.status, 'ORDER_STATUS_REJECTED');
  assert.match(rejected.rejection_message, /^ENTRY: The order may cost 500000\.00 USD/);
});

/** Publish a quote of AAPL; when this returns, the orders that it reaches are filled. */
async function publish(bid, ask) {
  const quote = { symbol: 'AAPL', bid, bid_size: '1000', ask, ask_size: '1000' };
  const { MarketData } = service.clients;
  const { answer } = await call(MarketData, 'PublishQuotes', { quotes: [quote] }, operator);
  assert.deepEqual(answer, { accepted: 1, refused: [] });
}
