// The log of an account, followed live: its live orders, its newest fills and its newest entries.

import { batch, signal } from "@preact/signals";
import {
  type BotTradingClient,
  BotTradingError,
  type Fill,
  type Order,
  type Update,
} from "bottrading-client";

import { callFailed, streamChanged, streamLeft } from "./connection.js";
import { Batches } from "./frames.js";

/** An entry of the log; the snapshot of a live order is not an entry. */
export type Entry = Exclude<Update, { kind: "snapshot_order" }>;

const FILLS_MAX = 500;
const ENTRIES_MAX = 2_000;
const SLEEP_MS_MIN = 20_000;
const WATCH_MS = 5_000;
const RETRY_MS = 2_000;
const SNAPSHOT_MS = 300;

export class AccountLog {
  /** Live orders, newest first; null until they are known. */
  readonly liveOrders = signal<Order[] | null>(null);
  /** Fills since the page was opened, newest first. */
  readonly fills = signal<Fill[]>([]);
  /** Entries since the page was opened, newest first. */
  readonly entries = signal<Entry[]>([]);
  /** The newest sequence when the page was opened; null until it is known. */
  readonly openedAt = signal<number | null>(null);
  /** Why the log cannot be followed; null while it can. */
  readonly error = signal<string | null>(null);

  readonly #client: BotTradingClient;
  readonly #changed: (entries: Entry[]) => void;
  readonly #orders = new Map<string, Order>();
  readonly #updates = new Batches<Update>((updates) => this.#take(updates));
  readonly #ended = new AbortController();
  #connection = new AbortController();
  #lastSequence: number | undefined;

  /** `changed` is told of each batch of new entries. */
  constructor(client: BotTradingClient, changed: (entries: Entry[]) => void) {
    this.#client = client;
    this.#changed = changed;
    void this.#follow();
    this.#watchForSleep();
  }

  /** Stop following. */
  end(): void {
    this.#ended.abort();
    this.#connection.abort();
    streamLeft();
  }

  async #follow(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#connection = new AbortController();
      try {
        await this.#followConnection(this.#connection.signal);
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        if (!this.#connection.signal.aborted) await this.#broken(error);
      }
    }
  }

  async #followConnection(signal: AbortSignal): Promise<void> {
    const updates = this.#client.orderUpdates({
      afterSequence: this.#lastSequence,
      includeSnapshot: this.#lastSequence === undefined,
      signal,
      onConnectionChange: (isOpen) => this.#connected(isOpen),
    });
    await updates.open();
    this.#begin(updates.lastSequence ?? 0);
    for await (const update of updates) {
      if (update.kind !== "snapshot_order") this.#lastSequence = update.sequence;
      this.#updates.add(update);
    }
  }

  #begin(sequence: number): void {
    this.error.value = null;
    this.#lastSequence ??= sequence;
    if (this.openedAt.peek() === null) this.openedAt.value = sequence;
    // Live orders follow at once. If none has come after a while, there are none.
    setTimeout(() => (this.liveOrders.value ??= []), SNAPSHOT_MS);
  }

  #connected(isOpen: boolean): void {
    if (!this.#ended.signal.aborted) streamChanged(isOpen);
  }

  async #broken(error: unknown): Promise<void> {
    streamChanged(false);
    // A log that is shorter than before is another log: the database was replaced.
    if (error instanceof BotTradingError && error.reason === "SEQUENCE_IN_FUTURE") this.#forget();
    else this.error.value = callFailed(error);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  #forget(): void {
    this.#orders.clear();
    this.#lastSequence = undefined;
    batch(() => {
      this.liveOrders.value = null;
      this.fills.value = [];
      this.entries.value = [];
      this.openedAt.value = null;
    });
  }

  /** Open the stream again after the machine slept: its connection may be dead unnoticed. */
  #watchForSleep(): void {
    let seenAt = Date.now();
    const awake = setInterval(() => {
      const now = Date.now();
      if (now - seenAt > SLEEP_MS_MIN) this.#connection.abort();
      seenAt = now;
    }, WATCH_MS);
    const online = () => this.#connection.abort();
    addEventListener("online", online);
    this.#ended.signal.addEventListener("abort", () => {
      clearInterval(awake);
      removeEventListener("online", online);
    });
  }

  #take(updates: Update[]): void {
    const entries = updates.filter((update) => update.kind !== "snapshot_order").reverse();
    batch(() => {
      this.#takeOrders(updates);
      const fills = entries.flatMap((entry) =>
        entry.kind === "order_update" && entry.fill ? [entry.fill] : [],
      );
      if (fills.length > 0) this.fills.value = newest(FILLS_MAX, fills, this.fills.peek());
      if (entries.length > 0)
        this.entries.value = newest(ENTRIES_MAX, entries, this.entries.peek());
    });
    if (entries.length > 0) this.#changed(entries);
  }

  #takeOrders(updates: Update[]): void {
    let isChanged = false;
    for (const update of updates) {
      if (update.kind === "account_update") continue;
      const { order } = update;
      const isLive = order.status === "OPEN" || order.status === "PARTIALLY_FILLED";
      if (isLive) this.#orders.set(order.id, order);
      isChanged = isLive || this.#orders.delete(order.id) || isChanged;
    }
    if (!isChanged) return;
    const orders = [...this.#orders.values()];
    this.liveOrders.value = orders.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }
}

function newest<Item>(count: number, items: Item[], older: Item[]): Item[] {
  return [...items, ...older].slice(0, count);
}
