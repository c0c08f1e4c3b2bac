// The real service: started in a directory of its own on a free port, and gone when the tests end.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Metadata } from '@grpc/grpc-js';

import { connect } from './contract.js';
import { bottradingCommand, serviceEnvironment } from './environment.js';

const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 30_000;

/** Start the service and return it once its health is SERVING. */
export async function startService() {
  const service = new Service(`127.0.0.1:${await freePort()}`);
  try {
    await Promise.race([service.ready(), service.endedTooEarly()]);
  } catch (error) {
    await service.stop();
    throw error;
  }
  return service;
}

class Service {
  #directory = mkdtempSync(join(tmpdir(), 'bottrading-node-'));
  #log = join(this.#directory, 'serve.log');
  #process;
  #exited;

  constructor(address) {
    const log = openSync(this.#log, 'w');
    const options = ['--data-dir', this.#directory, '--grpc', address, '--no-rest', '--seed', '1'];
    this.#process = spawn(bottradingCommand, ['serve', ...options], {
      env: serviceEnvironment,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#exited = once(this.#process, 'exit');
    this.clients = connect(address);
    this.#cleanUpWhateverHappens();
  }

  /** Wait until the service says that it can be used. */
  ready() {
    const metadata = new Metadata({ waitForReady: true });
    const deadline = Date.now() + READY_DEADLINE_MS;
    return new Promise((resolve, reject) => {
      const health = this.clients.Health.Watch({ service: '' }, metadata, { deadline });
      health.on('error', reject);
      health.on('data', ({ status }) => {
        if (status !== 'SERVING') return;
        resolve();
        health.cancel();
      });
    });
  }

  /** Reject when the process ends. */
  async endedTooEarly() {
    const [code] = await this.#exited;
    throw new Error(`the service ended with ${code}:\n${readFileSync(this.#log, 'utf8')}`);
  }

  /** Return a token of a person. */
  token(subject) {
    const options = ['token', subject, '--data-dir', this.#directory];
    // Not in the background: on a signal it would write to the directory that is being removed.
    const run = { env: serviceEnvironment, encoding: 'utf8' };
    return execFileSync(bottradingCommand, options, run).trim();
  }

  /** Let the service drain; return its exit status, null when it had to be killed. */
  async stop() {
    this.clients.close();
    this.#process.kill('SIGTERM');
    const impatience = setTimeout(() => this.#process.kill('SIGKILL'), STOP_DEADLINE_MS);
    const [code] = await this.#exited;
    clearTimeout(impatience);
    this.#removeDirectory();
    return code;
  }

  #cleanUpWhateverHappens() {
    process.once('exit', () => {
      this.#process.kill('SIGKILL');
      this.#removeDirectory();
    });
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  }

  #removeDirectory() {
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
