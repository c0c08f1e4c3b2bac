// The contract as another language sees it: everything here is made from .proto files.

import assert from 'node:assert/strict';

import { credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { contractProtos, ownProtos } from './environment.js';

const CALL_DEADLINE_MS = 10_000;
const STREAM_DEADLINE_MS = 30_000;

const definition = loadSync(
  [
    'bottrading/v1/bot_trading.proto',
    'bottrading/v1/key_management.proto',
    'bottrading/v1/market_data.proto',
    'google/rpc/error_details.proto',
    'google/rpc/status.proto',
    'grpc/health/v1/health.proto',
  ],
  {
    includeDirs: [contractProtos, ownProtos],
    keepCase: true,
    enums: String,
    longs: String,
    defaults: true,
    // Unpacks each google.protobuf.Any, as the details of a refusal are, and names its `@type`.
    json: true,
  },
);

const { bottrading, grpc } = loadPackageDefinition(definition);

/** Return a client of each service of the server, and `close` to end them all. */
export function connect(address) {
  const { BotTrading, KeyManagement, MarketData } = bottrading.v1;
  const services = { BotTrading, KeyManagement, MarketData, Health: grpc.health.v1.Health };
  const options = {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 100,
  };
  const clients = {};
  for (const [name, Service] of Object.entries(services)) {
    clients[name] = new Service(address, credentials.createInsecure(), options);
  }
  const close = () => Object.values(clients).forEach((client) => client.close());
  return { ...clients, close };
}

/** Wait until the service says that it can be used. */
export function serving(health, deadline) {
  return new Promise((resolve, reject) => {
    const watch = health.Watch({ service: '' }, metadata({}), { deadline });
    watch.on('error', (error) => {
      // The connection to what was killed before may not have noticed it yet.
      if (error.code === status.UNAVAILABLE) resolve(serving(health, deadline));
      else reject(error);
    });
    watch.on('data', ({ status: told }) => {
      if (told !== 'SERVING') return;
      resolve();
      watch.cancel();
    });
  });
}

/** Make a call; return its answer and its trailing metadata, or reject with its refusal. */
export function call(client, method, request, headers) {
  return new Promise((resolve, reject) => {
    let answer;
    const done = (error, message) => {
      if (error) reject(refusal(error));
      else answer = message;
    };
    client[method](request, metadata(headers), within(CALL_DEADLINE_MS), done)
      // The trailing metadata come with the status, which is told after the answer.
      .on('status', (status) => resolve({ answer, trailers: status.metadata.getMap() }));
  });
}

/** Open a stream and return it, to be read message by message. */
export function openStream(client, method, request, headers) {
  return new Stream(client[method](request, metadata(headers), within(STREAM_DEADLINE_MS)));
}

/** A stream whose messages wait until they are asked for; no wait outlasts its deadline. */
class Stream {
  #call;
  #arrived = [];
  #wake = () => {};

  constructor(call) {
    this.#call = call;
    call.on('data', (message) => this.#arrive({ message }));
    call.on('error', (error) => this.#arrive({ error: refusal(error) }));
  }

  /** Return the next message, or reject with what ended the stream. */
  async next() {
    while (this.#arrived.length === 0) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    const [{ message, error }] = this.#arrived;
    // The end stays: it is told again to whoever asks again.
    if (error) throw error;
    this.#arrived.shift();
    return message;
  }

  /** Return the messages up to the first that is the one. */
  async until(isTheOne) {
    const messages = [];
    do messages.push(await this.next());
    while (!isTheOne(messages.at(-1)));
    return messages;
  }

  /** Leave the stream. */
  cancel() {
    this.#call.cancel();
  }

  #arrive(what) {
    this.#arrived.push(what);
    this.#wake();
  }
}

/** Return the refusal of a call or the end of a stream. */
export async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('the call was not refused');
}

function within(milliseconds) {
  return { deadline: Date.now() + milliseconds };
}

function metadata(headers) {
  // A service that is just being started again is waited for.
  const result = new Metadata({ waitForReady: true });
  for (const [name, value] of Object.entries(headers)) result.set(name, value);
  return result;
}

/** Add to an error of gRPC what its trailing metadata hold: google.rpc.Status and ErrorInfo. */
function refusal(error) {
  const trailers = error.metadata?.getMap() ?? {};
  const packed = trailers['grpc-status-details-bin'];
  const status = packed && definition['google.rpc.Status'].deserialize(packed);
  const isErrorInfo = (detail) => detail['@type'] === 'type.googleapis.com/google.rpc.ErrorInfo';
  return Object.assign(error, { trailers, status, errorInfo: status?.details.find(isErrorInfo) });
}
