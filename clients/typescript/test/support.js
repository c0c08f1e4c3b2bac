// What the tests share: the real service, clients of new persons, and a network that loses answers.

import { EventEmitter, once } from "node:events";
import { createServer, request as httpRequest } from "node:http";

import { KeyManagementClient, BotTradingClient } from "../dist/index.js";

export { startService } from "../../../tests/clients/node/support/service.js";

/** What keeps an account from being slowed down by its limits. */
export const NO_RATES = {
  BOTTRADING_ORDERS_PER_MINUTE: "10000",
  BOTTRADING_REQUESTS_PER_MINUTE: "10000",
  BOTTRADING_PERSON_REQUESTS_PER_MINUTE: "10000",
};

/** A price that no market comes near: the order rests. */
export const RESTING = { side: "BUY", quantity: "1", order_type: "LIMIT", limit_price: "0.01" };

let persons = 0;

/** Make a person with a bot key; their account has nothing to do with that of any other test. */
export async function newPerson(service, { baseUrl = service.rest, ...options } = {}) {
  const token = service.token(`person-${(persons += 1)}`);
  // The command blocked this process: it first has to notice connections that ended meanwhile.
  await new Promise((resolve) => setTimeout(resolve));
  const manager = new KeyManagementClient({ token, baseUrl: service.rest });
  const { id: keyId, key: botKey } = await manager.createKey({ label: "bot" });
  const client = new BotTradingClient({ botKey, baseUrl, ...options });
  return { token, manager, keyId, botKey, client };
}

/** Return what a promise is rejected with. */
export async function rejection(promise) {
  return promise.then(
    () => Promise.reject(new Error("the call was not refused")),
    (error) => error,
  );
}

/** Do some work while a promise is pending, and return what comes of the promise. */
export async function during(pending, work) {
  // Node would end all tests of the file for a rejection that comes before anybody awaits it.
  pending.catch(() => {});
  await work();
  return pending;
}

/** Return the first items of an iteration, and leave it. */
export async function take(count, items) {
  const taken = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

/** A network between client and service, on which answers are lost or others speak. */
export class Network {
  /** Every request that came so far: its verb and path. */
  requests = [];
  #faults = [];
  #statuses = [];
  #news = new EventEmitter();
  #server = createServer((request, response) => this.#pass(request, response));

  static async before(service, port = 0) {
    const network = new Network();
    network.service = service;
    network.#server.listen(port, "127.0.0.1");
    await once(network.#server, "listening");
    network.url = `http://127.0.0.1:${network.#server.address().port}`;
    return network;
  }

  /** Lose the answers of the next calls: the service has made them. */
  loseAnswers(count = Infinity) {
    this.#next(count, (answer, response) => response.destroy());
  }

  /** Never answer the next calls: the service has made them. */
  swallowAnswers(count = Infinity) {
    this.#next(count, () => {});
  }

  /** Answer the next calls in the place of the service. */
  answer(status, headers, body, count = 1) {
    this.#next(count, null, (response) => response.writeHead(status, headers).end(body));
  }

  /** Wait until the service has given an answer with a status. */
  async answered(status) {
    while (!this.#statuses.includes(status)) await once(this.#news, "answer");
  }

  /** Break all connections. */
  cut() {
    this.#server.closeAllConnections();
  }

  /** Let everything pass again. */
  heal() {
    this.#faults = [];
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #next(count, after, instead) {
    this.#faults.push({ count, after, instead });
  }

  #pass(request, response) {
    this.requests.push(`${request.method} ${request.url.replace("/api/trade/v1/bot", "")}`);
    const fault = this.#faults[0];
    if (fault && (fault.count -= 1) <= 0) this.#faults.shift();
    if (fault?.instead) return fault.instead(response);
    const { method, headers, url } = request;
    const onward = httpRequest(this.service.rest + url, { method, headers, agent: false });
    onward.on("error", () => response.destroy());
    onward.on("response", (answer) => {
      this.#statuses.push(answer.statusCode);
      this.#news.emit("answer");
      if (fault) {
        answer.resume().on("end", () => fault.after(answer, response));
        return;
      }
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }
}
