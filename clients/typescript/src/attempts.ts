// When to try again, how long to wait before, and when to give up.

import {
  type BotTradingError,
  Conflict,
  DeadlineExceeded,
  InvalidRequest,
  OutcomeUnknown,
  RateLimited,
  ServiceUnavailable,
  wasNotSent,
} from "./errors.js";

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 3_000;

/** What it does to make a call again of which no answer came. */
export type Repeating = "changes nothing" | "changes nothing more" | "changes again";

/** Longer and longer pauses, by chance, so that many clients do not come back at once. */
export class Backoff {
  #longest = PAUSE_MS_MIN;

  /** Return the milliseconds of the next pause, which is no shorter than the server asks for. */
  next(atLeastSeconds = 0): number {
    const longest = this.#longest;
    this.#longest = Math.min(2 * longest, PAUSE_MS_MAX);
    return atLeastSeconds * 1_000 + (longest * (1 + Math.random())) / 2;
  }
}

/**
 * The attempts of one call, all within one deadline.
 *
 * Tried again is what is safe to be tried again: after a lost answer all that changes nothing, or
 * nothing more, when it is repeated; after a refusal for the rate, or for a conflict of the
 * server's own, everything, for such a call changed nothing. A refusal is thrown at once where the
 * pause that it asks for would end behind the deadline.
 */
export class Attempts {
  readonly #repeating: Repeating;
  readonly #clientOrderId: string | undefined;
  readonly #ends: number;
  readonly #backoff = new Backoff();
  #isOutcomeUnknown = false;

  constructor(repeating: Repeating, clientOrderId: string | undefined, timeoutMs: number) {
    this.#repeating = repeating;
    this.#clientOrderId = clientOrderId;
    this.#ends = performance.now() + timeoutMs;
  }

  /** Return the milliseconds until the next attempt; throw what happened when there is none. */
  pauseAfter(error: BotTradingError): number {
    if (this.#mayTryAgain(error)) {
      const pause = this.#backoff.next(error.retryAfterSeconds);
      if (performance.now() + pause < this.#ends) return pause;
    }
    // A request that is wrong in itself was so in every attempt.
    const isUnknown = this.#isOutcomeUnknown && !(error instanceof InvalidRequest);
    throw isUnknown ? new OutcomeUnknown(error, this.#clientOrderId) : error;
  }

  #mayTryAgain(error: BotTradingError): boolean {
    if (error instanceof ServiceUnavailable || error instanceof DeadlineExceeded) {
      if (wasNotSent(error)) return true;
      this.#isOutcomeUnknown ||= this.#repeating !== "changes nothing";
      return this.#repeating !== "changes again";
    }
    return isPassing(error);
  }
}

/** Tell whether a call was refused, and changed nothing, for a cause that passes. */
export function isPassing(error: BotTradingError): boolean {
  return error instanceof RateLimited || (error instanceof Conflict && error.reason === "CONFLICT");
}

/** Wait; reject with the signal's reason when that is aborted. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
