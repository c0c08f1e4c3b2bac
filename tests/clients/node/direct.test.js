// The bot in TypeScript that uses the service directly, as its users run it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { exampleCommands, serviceEnvironment } from './support/environment.js';
import { startService } from './support/service.js';
import { newTrader } from './support/trader.js';

test('the bot in TypeScript trades', async () => {
  const service = await startService({ rest: true });
  try {
    const { key } = await newTrader(service);
    const [program, file] = exampleCommands('direct/bot').TypeScript;
    const env = {
      ...serviceEnvironment,
      BOTTRADING_REST_URL: service.rest,
      BOTTRADING_BOT_KEY: key,
    };
    const lines = execFileSync(program, [file], { env, encoding: 'utf8' }).split('\n');

    assert.deepEqual(lines.slice(0, 2), ['2 ACCEPTED 0.00000000', '3 FILLED 2.00000000']);
    assert.match(lines[2], /^FILLED \d+\.\d{8} null$/);
    assert.match(lines[3], /^OPEN \d+\.\d{8} CANCELLED$/);
    assert.equal(lines[4], 'LIMIT_PRICE_REQUIRED limit_price is required for LIMIT orders');
    assert.match(lines[5], /^equity 9999/);
    assert.match(lines[6], /^AAPL 2\.00000000 /);
  } finally {
    await service.stop();
  }
});
