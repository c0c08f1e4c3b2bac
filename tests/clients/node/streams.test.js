// A bot that follows what happens, and goes on after whatever breaks, without gap or repeat.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { status } from '@grpc/grpc-js';

import { refused } from './support/contract.js';
import { startService } from './support/service.js';
import { limitBuy, newTrader } from './support/trader.js';

let service;
let trader;

before(async () => {
  service = await startService();
});

beforeEach(async () => {
  // A test may end the service.
  await service.start();
  trader = await newTrader(service);
});

after(() => service?.stop());

test('an order is followed to its fill and on, over a crash of the service', async () => {
  const updates = trader.follow({ after_sequence: 0 });
  const first = await trader.buy('AAPL', '1');
  const seen = await updates.until(fillOf(first));

  await service.kill();
  assert.equal((await refused(updates.next())).code, status.UNAVAILABLE);

  await service.start();
  await trader.buy('MSFT', '1');
  await trader.buy('KO', '1');
  const resumed = trader.follow({ after_sequence: seen.at(-1).sequence });
  const open = await resumed.next();
  const live = await trader.buy('SPY', '1');
  const rest = await resumed.until(fillOf(live));
  resumed.cancel();

  assert.deepEqual(seen.map(line), [
    '0 subscribed',
    '1 OPENED',
    '2 ACCEPTED AAPL',
    '3 FILLED AAPL',
  ]);
  assert.deepEqual([open, ...rest].map(line), [
    '3 subscribed',
    '4 ACCEPTED MSFT',
    '5 FILLED MSFT',
    '6 ACCEPTED KO',
    '7 FILLED KO',
    '8 ACCEPTED SPY',
    '9 FILLED SPY',
  ]);
});

test('SIGTERM ends an open stream with the sequence to resume after', async () => {
  const updates = trader.follow({ after_sequence: 0 });
  await updates.until(fillOf(await trader.buy('AAPL', '1')));

  assert.equal(await service.terminate(), 0);
  const end = await refused(updates.next());
  assert.equal(end.code, status.UNAVAILABLE);
  assert.equal(end.errorInfo.reason, 'UNAVAILABLE');
  assert.equal(end.errorInfo.metadata.last_sequence, '3');

  await service.start();
  const resumed = trader.follow({ after_sequence: end.errorInfo.metadata.last_sequence });
  const rest = await resumed.until(fillOf(await trader.buy('KO', '1')));
  resumed.cancel();
  assert.deepEqual(rest.map(line), ['3 subscribed', '4 ACCEPTED KO', '5 FILLED KO']);
});

test('an update shows the order as it was right after the change, with its fill', async () => {
  const updates = trader.follow({ after_sequence: 0 });
  const order = await trader.buy('AAPL', '2');
  const [accepted, filled] = (await updates.until(fillOf(order))).slice(-2);
  updates.cancel();

  assert.equal(accepted.order_update.order.status, 'ORDER_STATUS_OPEN');
  assert.equal(accepted.order_update.fill, null);
  assert.deepEqual(filled.order_update.order, order);
  assert.equal(filled.order_update.fill.order_id, order.id);
  assert.equal(filled.order_update.fill.quantity, '2.00000000');
  // What was made together names the same end.
  assert.equal(accepted.order_update.transaction_end, filled.sequence);
  assert.equal(filled.order_update.transaction_end, filled.sequence);
});

test('a stream that names no sequence tells only what happens from now on', async () => {
  await trader.buy('AAPL', '1');
  const updates = trader.follow({});
  const open = await updates.next();
  const seen = await updates.until(fillOf(await trader.buy('KO', '1')));
  updates.cancel();

  assert.deepEqual([open, ...seen].map(line), ['3 subscribed', '4 ACCEPTED KO', '5 FILLED KO']);
});

test('a stream of some symbols leaves out the others and still says how far it is', async () => {
  const updates = trader.follow({
    after_sequence: 0,
    symbols: ['KO'],
    heartbeat_interval: { seconds: 1 },
  });
  await trader.buy('AAPL', '1');
  await trader.buy('KO', '1');
  await trader.buy('MSFT', '1');
  const seen = await updates.until(({ sequence, heartbeat }) => heartbeat && sequence === '7');
  updates.cancel();

  const changes = seen.filter(({ heartbeat }) => !heartbeat);
  assert.deepEqual(changes.map(line), [
    '0 subscribed',
    '1 OPENED',
    '4 ACCEPTED KO',
    '5 FILLED KO',
  ]);
});

test('a snapshot begins a stream with the live orders', async () => {
  const older = await trader.place(limitBuy('AAPL', '1', '0.01'));
  const newer = await trader.place(limitBuy('KO', '1', '0.01'));
  const updates = trader.follow({ include_snapshot: true });
  const seen = [await updates.next(), await updates.next(), await updates.next()];
  await trader.trading('CancelOrder', { order_id: older.id });
  seen.push(await updates.next());
  updates.cancel();

  assert.deepEqual(seen.map(line), [
    '3 subscribed',
    '3 snapshot AAPL',
    '3 snapshot KO',
    '4 CANCELLED AAPL',
  ]);
  assert.deepEqual([seen[1].snapshot_order, seen[2].snapshot_order], [older, newer]);
});

test('a stream cannot be resumed after a sequence that is still to come', async () => {
  const refusal = await refused(trader.follow({ after_sequence: 2 }).next());

  assert.equal(refusal.code, status.OUT_OF_RANGE);
  assert.equal(refusal.errorInfo.reason, 'SEQUENCE_IN_FUTURE');
});

test('a ticket opens streams and nothing else', async () => {
  const { ticket, expires_at: end } = await trader.trading('CreateStreamTicket');
  assert.ok(Number(end.seconds) > Date.now() / 1000);

  const withTicket = { 'x-stream-ticket': ticket };
  const updates = trader.follow({}, withTicket);
  assert.equal(line(await updates.next()), '1 subscribed');
  updates.cancel();

  const refusal = await refused(trader.trading('GetAccount', {}, withTicket));
  assert.equal(refusal.code, status.UNAUTHENTICATED);
});

test('the streams of a key end when it is revoked', async () => {
  const updates = trader.follow({});
  const quotes = trader.watch(['AAPL']);
  await updates.next();
  await quotes.next();
  await trader.manage('RevokeBotKey', { key_id: trader.keyId });

  for (const stream of [updates, quotes]) {
    const end = await refused(stream.until(() => false));
    assert.equal(end.code, status.UNAUTHENTICATED);
    assert.equal(end.errorInfo.reason, 'BOT_KEY_INVALID');
  }
});

test('quotes come at once for each symbol and then as they change', async () => {
  const quotes = trader.watch(['AAPL', 'BTC-USD']);
  const first = [await quotes.next(), await quotes.next()].map(({ quote }) => quote);
  const began = new Map(first.map(({ symbol, sequence }) => [symbol, Number(sequence)]));
  assert.deepEqual([...began.keys()].sort(), ['AAPL', 'BTC-USD']);

  const changed = new Set();
  await quotes.until(({ quote }) => {
    if (quote && Number(quote.sequence) > began.get(quote.symbol)) changed.add(quote.symbol);
    return changed.size === began.size;
  });
  quotes.cancel();

  for (const { bid, ask, stale } of first) {
    assert.ok(Number(bid) > 0 && Number(bid) <= Number(ask), `bid ${bid}, ask ${ask}`);
    assert.equal(stale, false);
  }
});

/** Tell a message in a line. */
function line({ sequence, ...message }) {
  const { order_update: order, account_update: account, snapshot_order: live } = message;
  if (message.subscribed) return `${sequence} subscribed`;
  if (live) return `${sequence} snapshot ${live.symbol}`;
  if (account) return `${sequence} ${account.type.replace('ACCOUNT_UPDATE_TYPE_', '')}`;
  return `${sequence} ${order.type.replace('ORDER_UPDATE_TYPE_', '')} ${order.order.symbol}`;
}

function fillOf({ id }) {
  return ({ order_update: update }) =>
    update?.order.id === id && update.type === 'ORDER_UPDATE_TYPE_FILLED';
}
