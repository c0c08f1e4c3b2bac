// Fills from before the page was opened, read page by page as they are asked for.

import { signal } from "@preact/signals";
import type { BotTradingClient, Fill } from "bottrading-client";

import { callFailed, callSucceeded } from "../service/connection.js";

export class OlderFills {
  /** Newest first; null until they are known. */
  readonly fills = signal<Fill[] | null>(null);
  readonly hasMore = signal(true);
  readonly error = signal<string | null>(null);
  readonly #pages: AsyncIterator<Fill>;

  constructor(client: BotTradingClient, symbol?: string) {
    this.#pages = client.fills(symbol === undefined ? {} : { symbol });
  }

  /** Read so many more fills, or as many as there are. */
  async read(number: number): Promise<void> {
    const read: Fill[] = [];
    try {
      while (read.length < number && this.hasMore.value) {
        const { done, value } = await this.#pages.next();
        if (done) this.hasMore.value = false;
        else read.push(value);
      }
      callSucceeded();
    } catch (error) {
      this.error.value = callFailed(error);
      // An iteration that failed has ended.
      this.hasMore.value = false;
    }
    this.fills.value = [...(this.fills.value ?? []), ...read];
  }
}
