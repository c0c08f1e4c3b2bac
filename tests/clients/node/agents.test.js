// The example agents in Python and in TypeScript trade, led by a stand-in for a model.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';

import { bottradingCommand, exampleCommands, serviceEnvironment } from './support/environment.js';
import { startService } from './support/service.js';
import { newTrader } from './support/trader.js';

const GOAL = 'Buy two shares of Apple.';
const buy = { symbol: 'AAPL', side: 'BUY', quantity: '2' };

let service;

before(async () => {
  service = await startService();
});

after(() => service?.stop());

for (const [language, command] of Object.entries(exampleCommands('agent/agent'))) {
  test(`the agent in ${language} does what its model asks for and reads what came of it`, async () => {
    const model = await scriptedModel([
      asks(['get_portfolio', {}], ['get_quote', { symbol: 'AAPL' }]),
      asks(['place_order', { ...buy, price: 5 }]),
      asks(['place_order', buy]),
      { role: 'assistant', content: 'I bought two shares.' },
    ]);
    const trader = await newTrader(service);

    const { status, told } = await run(command, trader.key, model.url);

    assert.equal(status, 0, told);
    assert.match(told, /I bought two shares\.\n$/);
    const { orders } = await trader.trading('ListOrders');
    assert.deepEqual(
      orders.map(({ status, quantity }) => [status, quantity]),
      [['ORDER_STATUS_FILLED', '2.00000000']],
    );
    const [first, , third, last] = model.requests;
    assert.ok(first.tools.some((tool) => tool.function.name === 'place_order'));
    assert.match(first.messages[0].content, /untrusted_text/);
    assert.equal(first.messages[1].content, GOAL);
    assert.match(third.messages.at(-1).content, /price: Extra inputs are not permitted/);
    assert.match(last.messages.at(-1).content, /BUY 2 AAPL MARKET GTC: FILLED/);
    await model.close();
  });

  test(`the agent in ${language} tells its model of arguments that are no JSON object`, async () => {
    const broken = ['{', '[1]', '"AAPL"'].map((given, number) => ({
      id: `call-${number}`,
      type: 'function',
      function: { name: 'get_quote', arguments: given },
    }));
    const model = await scriptedModel([
      { role: 'assistant', content: null, tool_calls: broken },
      { role: 'assistant', content: 'Sorry.' },
    ]);
    const trader = await newTrader(service);

    const { told } = await run(command, trader.key, model.url);

    assert.match(told, /Sorry\.\n$/);
    for (const { content } of model.requests[1].messages.slice(-broken.length)) {
      assert.match(content, /must be a JSON object/);
    }
    await model.close();
  });
}

/** Run an agent until it ends. */
async function run([program, ...options], key, url) {
  const agent = spawn(program, [...options, GOAL], {
    env: {
      ...serviceEnvironment,
      BOTTRADING_COMMAND: bottradingCommand,
      BOTTRADING_TARGET: service.grpc,
      BOTTRADING_BOT_KEY: key,
      OPENAI_BASE_URL: url,
      OPENAI_API_KEY: 'secret',
      OPENAI_MODEL: 'scripted',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, error] = await Promise.all([text(agent.stdout), text(agent.stderr)]);
  if (agent.exitCode === null) await once(agent, 'exit');
  return { status: agent.exitCode, told: error + out };
}

/** A model that says what it is told to say, and remembers what it was asked. */
async function scriptedModel(replies) {
  const requests = [];
  const server = createServer(async (request, response) => {
    assert.equal(request.url, '/v1/chat/completions');
    assert.equal(request.headers.authorization, 'Bearer secret');
    requests.push(JSON.parse(await text(request)));
    const message = replies[requests.length - 1];
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ choices: [{ message }] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => new Promise((closed) => server.close(closed).closeAllConnections());
  return { url: `http://127.0.0.1:${server.address().port}/v1`, requests, close };
}

/** What a model says that asks for tools. */
function asks(...calls) {
  return {
    role: 'assistant',
    content: null,
    tool_calls: calls.map(([name, given], number) => ({
      id: `call-${number}`,
      type: 'function',
      function: { name, arguments: JSON.stringify(given) },
    })),
  };
}
