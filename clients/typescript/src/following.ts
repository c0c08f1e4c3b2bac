// Streams that resume after any break: nothing is lost or repeated.

import type { EventSourceMessage } from "eventsource-parser";

import { Backoff, isPassing, pause } from "./attempts.js";
import type { AccountUpdate, Order, OrderUpdate, Quote } from "./contract.js";
import { BotTradingError, DeadlineExceeded, ServiceUnavailable } from "./errors.js";
import type { Operation, Query, Transport } from "./transport.js";

/** An entry of the account's log, or of the snapshot that can precede it. */
export type Update =
  | ({ kind: "order_update"; sequence: number } & OrderUpdate)
  | ({ kind: "account_update"; sequence: number } & AccountUpdate)
  | { kind: "snapshot_order"; sequence: number; order: Order };

export interface OrderUpdatesOptions {
  /** Begins after this entry of the log, 0 for everything; left out: from now on. */
  afterSequence?: number | undefined;
  /** Restricts updates of orders to these instruments, at most 100. */
  symbols?: readonly string[] | undefined;
  /**
   * Sends the live orders too: first, or with `afterSequence` once the stream has caught up with
   * the log. If the stream breaks within the snapshot, the whole snapshot is sent again.
   */
  includeSnapshot?: boolean | undefined;
  /** Ends the iteration, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called with true when the stream opens, and with false when it breaks and is reopened. */
  onConnectionChange?: ((isConnected: boolean) => void) | undefined;
}

export interface QuoteUpdatesOptions {
  /** Ends the iteration, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What a stream requests and how it reads events, over any number of connections. */
interface Following<Item> {
  readonly path: "/order-updates" | "/quote-updates";
  query(): object;
  /** Return the item of an event, if it has one. */
  take(event: EventSourceMessage): Item | undefined;
  readonly onConnectionChange?: ((isConnected: boolean) => void) | undefined;
}

/** An iterator over a stream's items, which reopens the stream whenever it breaks; for one loop. */
abstract class Stream<Item> implements AsyncIterableIterator<Item> {
  readonly #items: AsyncGenerator<Item | undefined, void, void>;

  constructor(transport: Transport, following: Following<Item>, signal: AbortSignal | undefined) {
    this.#items = follow(transport, following, signal);
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    for (;;) {
      const { done, value } = await this.#items.next();
      if (done) return { done, value: undefined };
      if (value !== undefined) return { done: false, value };
    }
  }

  /** End the stream; `break` does it too. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    await this.#items.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Read one event that carries no item, such as the first one. */
  protected async pass(): Promise<void> {
    await this.#items.next();
  }
}

/** Every change of orders and account, exactly once and in order. */
export class OrderUpdates extends Stream<Update> {
  readonly #following: FollowingOrderUpdates;

  constructor(transport: Transport, options: OrderUpdatesOptions) {
    const following = new FollowingOrderUpdates(options);
    super(transport, following, options.signal);
    this.#following = following;
  }

  /** The sequence to resume after; undefined until the stream is open, unless it was given. */
  get lastSequence(): number | undefined {
    return this.#following.lastSequence;
  }

  /** Wait until the stream is open, so that no later change is missed. */
  async open(): Promise<this> {
    if (!this.#following.isOpen) await this.pass();
    return this;
  }
}

/** The newest quotes of some instruments, each as it changes. */
export class QuoteUpdates extends Stream<Quote> {
  constructor(transport: Transport, symbols: readonly string[], options: QuoteUpdatesOptions) {
    super(transport, new FollowingQuotes(symbols), options.signal);
  }
}

class FollowingOrderUpdates implements Following<Update> {
  readonly path = "/order-updates";
  lastSequence: number | undefined;
  isOpen = false;
  readonly onConnectionChange: OrderUpdatesOptions["onConnectionChange"];
  readonly #symbols: readonly string[];
  #isSnapshotWanted: boolean;
  #isSnapshotBegun = false;

  constructor(options: OrderUpdatesOptions) {
    const { afterSequence, symbols = [], includeSnapshot = false, onConnectionChange } = options;
    this.lastSequence = afterSequence;
    this.onConnectionChange = onConnectionChange;
    this.#symbols = symbols;
    this.#isSnapshotWanted = includeSnapshot;
  }

  query() {
    return {
      after_sequence: this.lastSequence,
      symbols: this.#symbols.length > 0 ? [...this.#symbols] : undefined,
      include_snapshot: this.#isSnapshotWanted || undefined,
    } satisfies Query<Operation<"get", "/order-updates">>;
  }

  take(event: EventSourceMessage): Update | undefined {
    const sequence = Number(event.id);
    this.isOpen = true;
    if (event.event === "snapshot_order") {
      this.#isSnapshotBegun = true;
      this.lastSequence = sequence;
      return { kind: event.event, sequence, order: JSON.parse(event.data) as Order };
    }
    if (this.#isSnapshotBegun) this.#isSnapshotWanted = false;
    if (sequence <= (this.lastSequence ?? -1)) return undefined;
    this.lastSequence = sequence;
    switch (event.event) {
      case "order_update":
        return { kind: event.event, sequence, ...(JSON.parse(event.data) as OrderUpdate) };
      case "account_update":
        return { kind: event.event, sequence, ...(JSON.parse(event.data) as AccountUpdate) };
      default:
        return undefined;
    }
  }
}

class FollowingQuotes implements Following<Quote> {
  readonly path = "/quote-updates";
  readonly #symbols: readonly string[];
  readonly #newest = new Map<string, string>();

  constructor(symbols: readonly string[]) {
    this.#symbols = symbols;
  }

  query() {
    return { symbols: [...this.#symbols] } satisfies Query<Operation<"get", "/quote-updates">>;
  }

  take({ event, data }: EventSourceMessage): Quote | undefined {
    if (event !== "quote") return undefined;
    const quote = JSON.parse(data) as Quote;
    // A stream that is opened again begins with the newest quotes, which may have been yielded
    // already.
    if (this.#newest.get(quote.symbol) === data) return undefined;
    this.#newest.set(quote.symbol, data);
    return quote;
  }
}

/** Yield the items of events, over any number of connections. */
async function* follow<Item>(
  transport: Transport,
  following: Following<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item | undefined, void, void> {
  const reopening = new Reopening(transport.timeoutMs);
  let isConnected = false;
  const connected = (isConnectedNow: boolean) => {
    if (isConnected === isConnectedNow) return;
    isConnected = isConnectedNow;
    following.onConnectionChange?.(isConnected);
  };
  for (;;) {
    let broken: BotTradingError | undefined;
    try {
      for await (const event of transport.events(following.path, following.query(), signal)) {
        reopening.received();
        connected(true);
        yield following.take(event);
      }
    } catch (error) {
      if (!(error instanceof BotTradingError)) throw error;
      broken = error;
    }
    connected(false);
    await pause(reopening.pauseAfter(broken), signal);
  }
}

/** When what broke is tried again, and whether that can help. */
export class Reopening {
  readonly #ends: number;
  #wasOpen = false;
  #backoff = new Backoff();

  constructor(timeoutMs: number) {
    this.#ends = performance.now() + timeoutMs;
  }

  /** Record that the stream is open. */
  received(): void {
    this.#wasOpen = true;
    this.#backoff = new Backoff();
  }

  /** Return the milliseconds until the stream is reopened; throw the error if that cannot help. */
  pauseAfter(error: BotTradingError | undefined): number {
    const milliseconds = this.#backoff.next(error?.retryAfterSeconds);
    if (!error) return milliseconds;
    const isInTime = this.#wasOpen || performance.now() + milliseconds < this.#ends;
    if (!isInTime || !this.#helps(error)) throw error;
    return milliseconds;
  }

  #helps(error: BotTradingError): boolean {
    // The server may not have noticed yet that the previous stream is gone.
    if (error.reason === "STREAM_LIMIT_EXCEEDED") return this.#wasOpen;
    const isAway = error instanceof ServiceUnavailable || error instanceof DeadlineExceeded;
    return isAway || isPassing(error);
  }
}
