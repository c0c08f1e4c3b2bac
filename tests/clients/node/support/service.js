// The real service: started in a directory of its own on free ports, and gone when the tests end.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { connect, serving } from './contract.js';
import { bottradingCommand, onTerminal, pythonCommand, serviceEnvironment } from './environment.js';

const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 30_000;
const POLL_MS = 20;

/**
 * Start the service and return it once it can be used.
 *
 * `rest`: with its bridge. `terminal`: its log is what a terminal shows. `options`: more of the
 * command's. `settings`: variables of its environment.
 */
export async function startService({ rest, terminal, options = [], settings = {} } = {}) {
  const [grpc, bridge] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`);
  const command = terminal ? [pythonCommand, onTerminal, bottradingCommand] : [bottradingCommand];
  const service = new Service(grpc, rest ? bridge : null, command, options, settings);
  try {
    await service.start();
  } catch (error) {
    await service.stop();
    throw error;
  }
  return service;
}

class Service {
  #directory = mkdtempSync(join(tmpdir(), 'bottrading-node-'));
  #log = join(this.#directory, 'serve.log');
  #command;
  #environment;
  #process;
  #exited;

  constructor(grpc, bridge, command, options, settings) {
    const listens = bridge ? ['--grpc', grpc, '--rest', bridge] : ['--grpc', grpc, '--no-rest'];
    const ownOptions = ['--data-dir', this.#directory, '--seed', '1'];
    this.#command = [...command, 'serve', ...ownOptions, ...listens, ...options];
    this.#environment = { ...serviceEnvironment, ...settings };
    this.grpc = grpc;
    this.rest = bridge && `http://${bridge}`;
    this.clients = connect(grpc);
    this.#cleanUpWhateverHappens();
  }

  /** Everything it has written to its log. */
  get log() {
    return readFileSync(this.#log, 'utf8');
  }

  /**
   * Start it, unless it runs, and wait until it can be used.
   *
   * Started again it is the same service: its directory and its ports stay. `options` are more of
   * the command's for this time; they replace earlier ones.
   */
  async start(...options) {
    if (this.#isRunning) return;
    const log = openSync(this.#log, 'a');
    const [command, ...words] = this.#command;
    this.#process = spawn(command, [...words, ...options], {
      env: this.#environment,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#exited = once(this.#process, 'exit');
    await Promise.race([this.#ready(), this.#endedTooEarly()]);
  }

  /** Wait until a pattern is in its log; return the match. */
  async told(pattern) {
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      const match = this.log.match(pattern);
      if (match) return match;
      if (Date.now() > deadline) throw new Error(`not told: ${pattern}\n${this.log}`);
      await pause(POLL_MS);
    }
  }

  /** Let it drain; return its exit status, null when it had to be killed. */
  async terminate() {
    const impatience = setTimeout(() => this.#killAll(), STOP_DEADLINE_MS);
    this.#process.kill('SIGTERM');
    const [code] = await this.#exited;
    clearTimeout(impatience);
    return code;
  }

  /** End it with SIGKILL, in all of its processes. */
  async kill() {
    this.#killAll();
    await this.#exited;
  }

  /**
   * End the engine; the next one starts, and is not ready before the returned function was called.
   *
   * Until then the service refuses whatever needs an engine.
   */
  async holdEngine() {
    const before = this.#engine();
    process.kill(before, 'SIGKILL');
    const deadline = Date.now() + READY_DEADLINE_MS;
    let engine;
    while (!engine || engine === before) {
      if (Date.now() > deadline) throw new Error(`no other engine:\n${this.log}`);
      await pause(POLL_MS);
      engine = this.#engine();
    }
    process.kill(engine, 'SIGSTOP');
    return () => signalIfAlive(engine, 'SIGCONT');
  }

  /** Return a token of a person; `options` are more of the command's. */
  token(subject, ...options) {
    return this.#printed('token', subject, ...options);
  }

  /** Return a link that opens the page signed in, once; `options` are more of the command's. */
  link(...options) {
    return this.#printed('open', ...options);
  }

  /** End it for good and leave nothing behind. */
  async stop() {
    this.clients.close();
    if (this.#isRunning) await this.terminate();
    this.#removeDirectory();
  }

  #printed(...words) {
    const command = [...words, '--data-dir', this.#directory];
    // Not in the background: on a signal it would write to the directory that is being removed.
    const run = { env: serviceEnvironment, encoding: 'utf8' };
    return execFileSync(bottradingCommand, command, run).trim();
  }

  get #isRunning() {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  async #ready() {
    const deadline = Date.now() + READY_DEADLINE_MS;
    await serving(this.clients.Health, deadline);
    while (this.rest && !(await answersOk(`${this.rest}/readyz`))) {
      if (!this.#isRunning || Date.now() > deadline) throw new Error(`no REST:\n${this.log}`);
      await pause(POLL_MS);
    }
  }

  /** Reject when the process ends. */
  async #endedTooEarly() {
    const [code] = await this.#exited;
    throw new Error(`the service ended with ${code}:\n${this.log}`);
  }

  /** Return the process id of the engine, if there is one. */
  #engine() {
    return childrenOf(this.#process.pid).find((pid) => commandLine(pid).includes('engine_process'));
  }

  #killAll() {
    if (!this.#isRunning) return;
    const children = childrenOf(this.#process.pid);
    // The front first: it would start the others again.
    this.#process.kill('SIGKILL');
    children.forEach((pid) => signalIfAlive(pid, 'SIGKILL'));
  }

  #cleanUpWhateverHappens() {
    process.once('exit', () => {
      this.#killAll();
      this.#removeDirectory();
    });
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.once(signal, () => process.exit(1));
  }

  #removeDirectory() {
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function childrenOf(pid) {
  return (readIfAlive(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);
}

function commandLine(pid) {
  return readIfAlive(`/proc/${pid}/cmdline`);
}

/** Return what a file says about a process; nothing when the process has ended. */
function readIfAlive(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(error.code)) return '';
    throw error;
  }
}

function signalIfAlive(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

async function answersOk(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** Return ports of the loopback that nobody uses, all different. */
export async function freePorts(count) {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => probe.address().port);
  await Promise.all(
    probes.map((probe) => {
      probe.close();
      return once(probe, 'close');
    }),
  );
  return ports;
}
