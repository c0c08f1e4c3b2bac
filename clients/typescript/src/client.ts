// A bot's client: trades on the account of a bot key.

import type {
  Account,
  AdvanceClockResponse as ClockAdvance,
  Bar,
  BarInterval,
  CreateStreamTicketResponse as StreamTicket,
  EquityPoint,
  Fill,
  GetLeaderboardResponse as Leaderboard,
  Instrument,
  Limits,
  MarketClock,
  Order,
  OrderPreview,
  Portfolio,
  Position,
  Quote,
  TradingKpi,
} from "./contract.js";
import {
  OrderUpdates,
  type OrderUpdatesOptions,
  QuoteUpdates,
  type QuoteUpdatesOptions,
} from "./following.js";
import { OrderIds } from "./order-ids.js";
import {
  type Interval,
  type ReplayOptions,
  type ReplayStep,
  replayBars,
  replaySteps,
} from "./replaying.js";
import {
  type Body,
  type CallOptions,
  type ClientOptions,
  type Operation,
  type Query,
  REPEATABLE,
  setting,
  Transport,
} from "./transport.js";

/** An order to place; only `symbol`, `side` and `quantity` are required. */
export type OrderRequest = Body<Operation<"post", "/orders">>;
/** New total quantity or prices of a live order; values left out stay. */
export type OrderChange = Body<Operation<"patch", "/orders/{order_id}">>;
/** Cancelled orders; `skipped` live ones stayed, because the key may not act on them. */
export type CancelledOrders = Order[] & { readonly skipped: number };
/** How much of a position to close; without `quantity` and `percentage` all of it. */
export type CloseRequest = Query<Operation<"delete", "/positions/{symbol}">>;
/** Closing orders, by symbol; `skipped` counts positions that may not be traded or have expired. */
export type ClosingOrders = Order[] & { readonly skipped: number };
export type OrderFilter = Omit<Query<Operation<"get", "/orders">>, "page_token">;
export type FillFilter = Omit<Query<Operation<"get", "/fills">>, "page_token">;
export type HistoryQuery = Query<Operation<"get", "/portfolio/history">>;
export type LeaderboardQuery = Query<Operation<"get", "/leaderboard">>;
export type InstrumentFilter = Query<Operation<"get", "/instruments">>;
export type BarQuery = Query<Operation<"get", "/bars/{symbol}">>;
/** How long a bot is done: exactly one of `until`, `by` (such as "3600s") and `next_bar`. */
export type ClockStep = Body<Operation<"post", "/clock/advance">>;

export interface BotTradingClientOptions extends ClientOptions {
  /** The bot key; by default BOTTRADING_BOT_KEY, else VECTRADE_BOT_KEY. */
  botKey?: string | undefined;
  /**
   * A person's token in place of a bot key. With it the client reads, cancels and closes; placing
   * and replacing orders need a bot key.
   */
  token?: string | undefined;
  /** With `token`: the account. By default the first one, which can then only be read. */
  accountId?: string | undefined;
}

/**
 * Trades on the account of a bot key, or acts for a person on one of their accounts.
 *
 * Fields are named as in the contract. Amounts are decimal strings; requests may use numbers too.
 * Calls reject with a BotTradingError. A call without an answer is repeated where that is safe.
 */
export class BotTradingClient {
  readonly #transport: Transport;
  readonly #orderIds = new OrderIds();

  constructor(options: BotTradingClientOptions = {}) {
    this.#transport = new Transport(credentialOf(options), options);
  }

  /** Read the account: its money, its plan and its calls of the day. */
  account(options?: CallOptions): Promise<Account> {
    return this.#transport.send("get", "/account", options);
  }

  /**
   * Place an order and return its state after matching, fills included.
   *
   * If you give no `client_order_id`, one is generated, so that repeating the call places no second
   * order. If an earlier call placed the order, it is returned with `replayed`. An order that the
   * trading rules do not allow is returned as REJECTED. Rejects with OutcomeUnknown if no answer
   * came in time.
   */
  placeOrder(order: OrderRequest, options?: CallOptions): Promise<Order> {
    const clientOrderId = order.client_order_id ?? this.#orderIds.next();
    const body = { ...order, client_order_id: clientOrderId };
    const request = { ...options, ...REPEATABLE, body, clientOrderId };
    return this.#transport.send("post", "/orders", request);
  }

  /** Return what `placeOrder` would do now, to the cent; nothing is recorded. */
  previewOrder(order: OrderRequest, options?: CallOptions): Promise<OrderPreview> {
    const request = { ...options, body: order, repeating: "changes nothing" } as const;
    return this.#transport.send("post", "/orders/preview", request);
  }

  /** Replace the total quantity or prices of a live order. */
  replaceOrder(orderId: string, change: OrderChange, options?: CallOptions): Promise<Order> {
    const request = { ...options, ...REPEATABLE, in: { order_id: orderId }, body: change };
    return this.#transport.send("patch", "/orders/{order_id}", request);
  }

  /** Cancel a live order; a cancelled order is returned again. */
  cancelOrder(orderId: string, options?: CallOptions): Promise<Order> {
    const request = { ...options, ...REPEATABLE, in: { order_id: orderId } };
    return this.#transport.send("delete", "/orders/{order_id}", request);
  }

  /** Cancel all live orders that the key may act on, or those of one symbol; newest first. */
  async cancelAllOrders(symbol?: string, options?: CallOptions): Promise<CancelledOrders> {
    const request = { ...options, ...REPEATABLE, query: { symbol } };
    const { answer, headers } = await this.#transport.exchange("delete", "/orders", request);
    return Object.assign(answer, { skipped: Number(headers.get("x-skipped-orders")) });
  }

  /** List the positions with their values, by symbol. */
  positions(options?: CallOptions): Promise<Position[]> {
    return this.#transport.send("get", "/positions", options);
  }

  /** Read one position with its values. */
  position(symbol: string, options?: CallOptions): Promise<Position> {
    return this.#transport.send("get", "/positions/{symbol}", { ...options, in: { symbol } });
  }

  /**
   * Close a position, or a part of it, by a MARKET order, and return that order.
   *
   * If you give no `client_order_id`, one is generated, so that repeating the call places no second
   * order. Live orders that reserve the quantity are cancelled in the same transaction.
   * Rejects with OutcomeUnknown if no answer came in time.
   */
  closePosition(symbol: string, close: CloseRequest = {}, options?: CallOptions): Promise<Order> {
    const clientOrderId = close.client_order_id ?? this.#orderIds.next();
    const query = { ...close, client_order_id: clientOrderId };
    const request = { ...options, ...REPEATABLE, in: { symbol }, query, clientOrderId };
    return this.#transport.send("delete", "/positions/{symbol}", request);
  }

  /** Close all positions that the key may trade; return the closing orders, by symbol. */
  async closeAllPositions(options?: CallOptions): Promise<ClosingOrders> {
    const request = { ...options, ...REPEATABLE };
    const { answer, headers } = await this.#transport.exchange("delete", "/positions", request);
    return Object.assign(answer, { skipped: Number(headers.get("x-skipped-positions")) });
  }

  /** Read an order. */
  order(orderId: string, options?: CallOptions): Promise<Order> {
    const request = { ...options, in: { order_id: orderId } };
    return this.#transport.send("get", "/orders/{order_id}", request);
  }

  /** Read an order by your own id. */
  orderByClientId(clientOrderId: string, options?: CallOptions): Promise<Order> {
    const request = { ...options, query: { client_order_id: clientOrderId } };
    return this.#transport.send("get", "/orders/by-client-id", request);
  }

  /** List orders, newest first, page by page; the list ends after `limit` items, if given. */
  orders(filter: OrderFilter = {}, options: CallOptions = {}): AsyncIterableIterator<Order> {
    return this.#transport.pages("/orders", filter, options);
  }

  /** List fills, newest first, page by page; the list ends after `limit` items, if given. */
  fills(filter: FillFilter = {}, options: CallOptions = {}): AsyncIterableIterator<Fill> {
    return this.#transport.pages("/fills", filter, options);
  }

  /** Read money and positions, all as of one moment. */
  portfolio(options?: CallOptions): Promise<Portfolio> {
    return this.#transport.send("get", "/portfolio", options);
  }

  /** Read the equity curve, oldest point first; the last point is now. */
  async portfolioHistory(query: HistoryQuery = {}, options?: CallOptions): Promise<EquityPoint[]> {
    const request = { ...options, query };
    return (await this.#transport.send("get", "/portfolio/history", request)).points;
  }

  /** Read the key performance indicators. */
  kpi(options?: CallOptions): Promise<TradingKpi> {
    return this.#transport.send("get", "/kpi", options);
  }

  /** Read a page of ranked accounts, best first, and the caller's own row. */
  leaderboard(query: LeaderboardQuery = {}, options?: CallOptions): Promise<Leaderboard> {
    return this.#transport.send("get", "/leaderboard", { ...options, query });
  }

  /** Read every limit of the account and what is left of it. */
  limits(options?: CallOptions): Promise<Limits> {
    return this.#transport.send("get", "/limits", options);
  }

  /** List instruments, sorted by symbol; `query` is a part of a symbol or name. */
  instruments(filter: InstrumentFilter = {}, options?: CallOptions): Promise<Instrument[]> {
    return this.#transport.send("get", "/instruments", { ...options, query: filter });
  }

  /** Read the newest quote of an instrument, fresh or stale. */
  quote(symbol: string, options?: CallOptions): Promise<Quote> {
    return this.#transport.send("get", "/quotes/{symbol}", { ...options, in: { symbol } });
  }

  /** Read the newest quotes of up to 100 instruments, in the order of the request. */
  quotes(symbols: readonly string[], options?: CallOptions): Promise<Quote[]> {
    const request = { ...options, query: { symbols: [...symbols] } };
    return this.#transport.send("get", "/quotes", request);
  }

  /** List bars, oldest first; without a `start` the newest 100. */
  bars(symbol: string, query: BarQuery = {}, options?: CallOptions): Promise<Bar[]> {
    return this.#transport.send("get", "/bars/{symbol}", { ...options, in: { symbol }, query });
  }

  /** Read which markets are open. */
  clock(options?: CallOptions): Promise<MarketClock> {
    return this.#transport.send("get", "/clock", options);
  }

  /**
   * Say that you are done until a later time of a lock-step replay, and wait for that time.
   *
   * `from` is the time of the replay that you saw last. With it, or with `until`, a call whose
   * answer is lost is repeated, and the clock moves once. The wait can be longer than the client's
   * timeout, because other bots take part: give a `timeoutMs`. `replay` does all of this by itself.
   */
  advanceClock(step: ClockStep, options?: CallOptions): Promise<ClockAdvance> {
    const repeating = step.from || step.until ? REPEATABLE : {};
    return this.#transport.send("post", "/clock/advance", { ...options, ...repeating, body: step });
  }

  /** Make a ticket with which an EventSource can open streams (`?ticket=`) for 10 minutes. */
  createStreamTicket(options?: CallOptions): Promise<StreamTicket> {
    const request = { ...options, body: {}, repeating: "changes nothing" } as const;
    return this.#transport.send("post", "/stream-tickets", request);
  }

  /**
   * Follow every change of orders and account, exactly once and in order, through any break.
   *
   * Store `lastSequence`, so that a later run goes on there. The first connection has to succeed
   * within the client's timeout. From then on the stream reconnects by itself for as long as it
   * takes. It ends with an error where reconnecting cannot help, such as a revoked key or a
   * sequence beyond the end of the log.
   */
  orderUpdates(options: OrderUpdatesOptions = {}): OrderUpdates {
    return new OrderUpdates(this.#transport, options);
  }

  /**
   * Follow the quotes of up to 100 instruments: first the newest quotes, then each change.
   *
   * A slow reader skips to the newest quote, and so does a stream after a break. The stream
   * reconnects and ends like `orderUpdates`.
   */
  quoteUpdates(symbols: readonly string[], options: QuoteUpdatesOptions = {}): QuoteUpdates {
    return new QuoteUpdates(this.#transport, symbols, options);
  }

  /**
   * Follow a lock-step replay, bar after bar; its clock stands while you handle one.
   *
   * `interval` is the length of a bar, such as "1d". With one symbol, or without any, the items are
   * bars: those of the symbol, or of everything that the file plays. With an array of symbols an
   * item is a `ReplayStep`, which holds the bars of all of them. The bars begin with the one that
   * runs now, and end with the file.
   *
   * When you ask for the item after the last one of a step, the clock moves on to the end of the
   * next bar, as soon as all other participants are done too. Whatever breaks, the call is repeated
   * for as long as it takes, and the clock moves once. Orders that you place without a
   * `client_order_id` get one made of the replay's time, the same in every run.
   */
  replay(
    interval: Interval,
    symbol?: string,
    options?: ReplayOptions,
  ): AsyncGenerator<Bar, void, void>;
  replay(
    interval: Interval,
    symbols: readonly string[],
    options?: ReplayOptions,
  ): AsyncGenerator<ReplayStep, void, void>;
  replay(
    interval: Interval,
    symbols?: string | readonly string[],
    options: ReplayOptions = {},
  ): AsyncGenerator<Bar | ReplayStep, void, void> {
    const several = typeof symbols === "string" ? [symbols] : symbols;
    const follow = several === symbols && symbols ? replaySteps : replayBars;
    const reached = (time: string) => this.#orderIds.reach(time);
    return follow(this, interval.toUpperCase() as BarInterval, several, options, reached);
  }
}

/** Reads what a service shows to everybody, without a credential. */
export class PublicClient {
  readonly #transport: Transport;

  constructor(options: ClientOptions = {}) {
    this.#transport = new Transport({}, options);
  }

  /** Read a page of ranked accounts, where the operator made the leaderboard public. */
  leaderboard(query: LeaderboardQuery = {}, options?: CallOptions): Promise<Leaderboard> {
    return this.#transport.send("get", "/leaderboard", { ...options, query });
  }
}

/** Return the headers of the one credential that the options or the environment give. */
function credentialOf(options: BotTradingClientOptions): Record<string, string> {
  const { token, accountId } = options;
  if (token) {
    if (options.botKey) throw new TypeError("Pass a botKey or a token, not both.");
    const authorization = `Bearer ${token}`;
    return accountId ? { authorization, "x-account-id": accountId } : { authorization };
  }
  const botKey = options.botKey ?? setting("BOTTRADING_BOT_KEY") ?? setting("VECTRADE_BOT_KEY");
  if (!botKey) throw new TypeError("Pass a botKey, or set BOTTRADING_BOT_KEY.");
  return { "x-bot-key": botKey };
}
