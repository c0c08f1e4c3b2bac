// The contract as another language sees it: everything here is made from .proto files.

import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { contractProtos, googleProtos, ownProtos } from './environment.js';

const CALL_DEADLINE_MS = 10_000;

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
    includeDirs: [contractProtos, googleProtos, ownProtos],
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

/** Make a call; return its answer and its trailing metadata, or reject with its refusal. */
export function call(client, method, request, headers) {
  return new Promise((resolve, reject) => {
    let answer;
    const done = (error, message) => {
      if (error) reject(refusal(error));
      else answer = message;
    };
    client[method](request, metadata(headers), untilDeadline(), done)
      // The trailing metadata come with the status, which is told after the answer.
      .on('status', (status) => resolve({ answer, trailers: status.metadata.getMap() }));
  });
}

/** Read a stream to its end; return its messages, or reject with its refusal. */
export async function readStream(client, method, request, headers) {
  try {
    return await client[method](request, metadata(headers), untilDeadline()).toArray();
  } catch (error) {
    throw refusal(error);
  }
}

function untilDeadline() {
  return { deadline: Date.now() + CALL_DEADLINE_MS };
}

function metadata(headers) {
  const result = new Metadata();
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
