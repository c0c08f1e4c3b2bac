// A person with an account of their own and the bot that trades on it.

import assert from 'node:assert/strict';

import { call, openStream } from './contract.js';

let persons = 0;

/** Make a person and a bot key; their account has nothing to do with that of any other test. */
export async function newTrader(service, name = `person-${(persons += 1)}`) {
  const person = { authorization: `Bearer ${service.token(name)}` };
  const trader = new Trader(service.clients, person);
  trader.useKey(await trader.createKey('trader'));
  return trader;
}

class Trader {
  #clients;
  #person;

  constructor(clients, person) {
    this.#clients = clients;
    this.#person = person;
  }

  /** Trade with this key from now on. */
  useKey({ id, key }) {
    this.keyId = id;
    this.key = key;
    this.bot = { 'x-bot-key': key };
  }

  /** Make one more key of the person. */
  async createKey(label, limits = {}) {
    return (await this.manage('CreateBotKey', { label, ...limits })).bot_key;
  }

  /** Make a call of the person. */
  async manage(method, request) {
    return (await call(this.#clients.KeyManagement, method, request, this.#person)).answer;
  }

  /** Make a call of BotTrading. */
  async trading(method, request = {}, headers = this.bot) {
    return (await call(this.#clients.BotTrading, method, request, headers)).answer;
  }

  /** Make a call of MarketData. */
  async market(method, request = {}) {
    return (await call(this.#clients.MarketData, method, request, this.bot)).answer;
  }

  /** Place an order; return it, whatever became of it. */
  async place(request) {
    return (await this.trading('PlaceOrder', request)).order;
  }

  /** Place a MARKET order and return it, filled: one that is not fails the test. */
  async buy(symbol, quantity) {
    const order = await this.place(marketBuy(symbol, quantity));
    assert.equal(order.status, 'ORDER_STATUS_FILLED', order.rejection_message);
    return order;
  }

  /** Open a stream of order updates. */
  follow(request, headers = this.bot) {
    return openStream(this.#clients.BotTrading, 'StreamOrderUpdates', request, headers);
  }

  /** Open a stream of quotes. */
  watch(symbols) {
    return openStream(this.#clients.MarketData, 'StreamQuotes', { symbols }, this.bot);
  }
}

/** A MARKET order to place. */
export function marketBuy(symbol, quantity) {
  return { symbol, side: 'SIDE_BUY', quantity };
}

/** A LIMIT order to place. */
export function limitBuy(symbol, quantity, limitPrice) {
  const limit = { order_type: 'ORDER_TYPE_LIMIT', limit_price: limitPrice };
  return { ...marketBuy(symbol, quantity), ...limit };
}
