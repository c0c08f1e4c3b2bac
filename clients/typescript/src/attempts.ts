// When to retry a call, how long to wait before, and when to give up.

import {
  type BotTradingError,
  Conflict,
  DeadlineExceeded,
  InvalidRequest,
  OutcomeUnknown,
  RateLimited,
  ServiceUnavailable,
} from "./errors.js";

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 3_000;

/** What happens if a call without an answer is repeated. */
export type Repeating = "changes nothing" | "changes nothing more" | "changes again";

/** Growing pauses with a random part, so that many clients do not retry at once. */
export class Backoff {
  #longest = PAUSE_MS_MIN;

  /** Return the milliseconds of the next pause, at least what the server asks for. */
  next(atLeastSeconds = 0): number {
    const longest = this.#longest;
    this.#longest = Math.min(2 * longest, PAUSE_MS_MAX);
    return atLeastSeconds * 1_000 + (longest * (1 + Math.random())) / 2;
  }
}

/**
 * The attempts of one call, all within one deadline.
 *
 * A call is retried where that is safe. After a lost answer, calls that read are retried, and
 * changes that have no effect the second time. After a refusal by the rate limit, for a conflict in
 * the server, or by a server that did not execute the call, every call is retried, because it
 * changed nothing. So is a call that did not reach the server. If the requested pause would end
 * after the deadline, the refusal is thrown at once.
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

  /** Return the milliseconds until the next attempt; throw the error if there is none. */
  pauseAfter(error: BotTradingError): number {
    if (this.#mayTryAgain(error)) {
      const pause = this.#backoff.next(error.retryAfterSeconds);
      if (performance.now() + pause < this.#ends) return pause;
    }
    // If the request is invalid, the attempts before this one changed nothing either.
    const isUnknown = this.#isOutcomeUnknown && !(error instanceof InvalidRequest);
    throw isUnknown ? new OutcomeUnknown(error, this.#clientOrderId) : error;
  }

  #mayTryAgain(error: BotTradingError): boolean {
    if (error.isNotExecuted) return true;
    if (error instanceof ServiceUnavailable || error instanceof DeadlineExceeded) {
      this.#isOutcomeUnknown ||= this.#repeating !== "changes nothing";
      return this.#repeating !== "changes again";
    }
    return isPassing(error);
  }
}

/** Tell whether a refusal is temporary, so that any call can be retried. */
export function isPassing(error: BotTradingError): boolean {
  return error instanceof RateLimited || (error instanceof Conflict && error.reason === "CONFLICT");
}

/** Wait; reject with the signal's reason if it is aborted. */
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
