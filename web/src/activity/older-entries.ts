// Entries of the log from before the page was opened, read a few hundred at a time.

import { signal } from "@preact/signals";
import type { BotTradingClient } from "bottrading-client";

import { callFailed, callSucceeded } from "../service/connection.js";
import type { Entry } from "../service/log.js";

const READ_AT_ONCE = 300;

export class OlderEntries {
  /** Newest first; null until the first are known. */
  readonly entries = signal<Entry[] | null>(null);
  readonly hasMore = signal(false);
  readonly error = signal<string | null>(null);
  readonly #client: BotTradingClient;
  #next = 0;

  constructor(client: BotTradingClient) {
    this.#client = client;
  }

  /** Read the entries up to a sequence, and forget those that were read before. */
  begin(upTo: number): Promise<void> {
    this.entries.value = null;
    this.#next = upTo;
    return this.read();
  }

  /** Read more entries, older than all that were read. */
  async read(): Promise<void> {
    const upTo = this.#next;
    const after = Math.max(0, upTo - READ_AT_ONCE);
    try {
      const read = upTo > 0 ? await this.#between(after, upTo) : [];
      callSucceeded();
      this.#next = after;
      this.hasMore.value = after > 0;
      this.error.value = null;
      this.entries.value = [...(this.entries.value ?? []), ...read];
    } catch (error) {
      this.error.value = callFailed(error);
      this.hasMore.value = true;
    }
  }

  /** Read a part of the log over a stream, which is closed after that part; newest first. */
  async #between(after: number, upTo: number): Promise<Entry[]> {
    const read: Entry[] = [];
    for await (const update of this.#client.orderUpdates({ afterSequence: after })) {
      if (update.kind === "snapshot_order") continue;
      if (update.sequence <= upTo) read.push(update);
      if (update.sequence >= upTo) break;
    }
    return read.reverse();
  }
}
