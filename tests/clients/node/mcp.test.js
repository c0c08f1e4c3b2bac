// An agent that is not written in Python: the official client drives every tool of the MCP server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';

import { bottradingCommand, serviceEnvironment } from './support/environment.js';
import { freePorts, startService } from './support/service.js';
import { newTrader } from './support/trader.js';

const TOKENS_MAX = 3_000;

let service;

before(async () => {
  service = await startService();
});

after(() => service?.stop());

test('every tool is driven over stdio', async () => {
  const client = await connect(await stdio());

  await driveEveryTool(client);
  await client.close();
});

test('every tool is driven over HTTP', async () => {
  const [port] = await freePorts(1);
  const server = spawn(bottradingCommand, ['mcp', '--http', `127.0.0.1:${port}`], {
    env: await agentEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    const [url] = await once(createInterface(server.stderr), 'line');
    const client = await connect(new StreamableHTTPClientTransport(new URL(url)));
    await driveEveryTool(client);
    await client.close();
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
});

test('the tools leave an agent its context', async () => {
  const client = await connect(await stdio());
  const { tools } = await client.listTools();
  await client.close();

  const described = tools.map(({ name, description, inputSchema }) => ({
    name,
    description,
    inputSchema,
  }));
  const tokens = encode(JSON.stringify(described)).length;
  assert.ok(tokens < TOKENS_MAX, `${tokens} tokens`);
  assert.equal(described.length, 18);
});

async function driveEveryTool(client) {
  const left = new Set((await client.listTools()).tools.map(({ name }) => name));
  const call = async (name, given = {}) => {
    left.delete(name);
    const answer = await client.callTool({ name, arguments: given });
    assert.ok(!answer.isError, answer.content[0].text);
    return answer.structuredContent;
  };
  const buy = { symbol: 'AAPL', side: 'BUY', quantity: 1 };
  const waiting = { ...buy, order_type: 'LIMIT', limit_price: '1' };

  assert.equal((await call('preview_order', buy)).preview.order.status, 'FILLED');
  const filled = (await call('place_order', buy)).order;
  const repeated = (await call('place_order', buy)).order;
  const live = (await call('place_order', waiting)).order;
  assert.deepEqual([filled.replayed, repeated.replayed], [false, true]);
  assert.equal(repeated.id, filled.id);
  assert.equal((await call('wait_for_order', { order_id: filled.id })).order.status, 'FILLED');
  assert.equal((await call('get_order', { order_id: live.id })).order.status, 'OPEN');
  const change = { order_id: live.id, limit_price: '2' };
  assert.equal((await call('replace_order', change)).order.limit_price, '2.00000000');
  assert.equal((await call('cancel_order', { order_id: live.id })).order.status, 'CANCELLED');
  assert.deepEqual((await call('cancel_all_orders')).orders, []);
  assert.equal((await call('get_orders')).orders.length, 2);
  assert.equal((await call('get_portfolio')).portfolio.positions[0].symbol, 'AAPL');
  assert.equal((await call('get_trading_kpi')).kpi.total_trades, 0);
  assert.ok(Array.isArray((await call('get_leaderboard')).leaderboard.entries));
  assert.equal((await call('get_bot_account')).account.environment, 'SIMULATED');
  assert.equal((await call('get_quote', { symbol: 'BTC-USD' })).quote.stale, false);
  assert.ok((await call('find_instruments', { query: 'BTC' })).instruments.length > 0);
  assert.ok((await call('get_bars', { symbol: 'AAPL', interval: '1d' })).bars.length > 0);
  assert.equal((await call('get_limits')).limits.orders.limit, 20);
  const closing = (await call('close_position', { symbol: 'AAPL' })).order;
  assert.equal(closing.status, 'FILLED');
  left.delete('advance_clock');
  const refused = await client.callTool({ name: 'advance_clock', arguments: {} });
  assert.match(refused.content[0].text, /^MARKET_NOT_STEPPED: /);
  assert.deepEqual([...left], []);
}

async function connect(transport) {
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(transport);
  return client;
}

async function stdio() {
  const env = await agentEnvironment();
  return new StdioClientTransport({ command: bottradingCommand, args: ['mcp'], env });
}

async function agentEnvironment() {
  const { key } = await newTrader(service);
  return { ...serviceEnvironment, BOTTRADING_TARGET: service.grpc, BOTTRADING_BOT_KEY: key };
}
