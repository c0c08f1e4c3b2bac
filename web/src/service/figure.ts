// A value that is read from the service while a screen shows it, at a limited rate.

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

import { callFailed, callSucceeded, reconnections } from "./connection.js";

export interface Pace {
  /** Read again after so many milliseconds; left out: only when `refresh` is called. */
  everyMs?: number;
  /** The least milliseconds between two reads, however often `refresh` is called. */
  atMostEveryMs?: number;
}

const AT_MOST_EVERY_MS = 1_000;
const RETRY_MS = 2_000;

export class Figure<Value> {
  readonly #read: () => Promise<Value>;
  readonly #everyMs: number;
  readonly #atMostEveryMs: number;
  readonly #value = signal<Value | null>(null);
  readonly #error = signal<string | null>(null);
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;
  #lastReadAt = -Infinity;
  #isReading = false;
  #isStale = false;
  #isUnseen = false;

  constructor(read: () => Promise<Value>, { everyMs = Infinity, atMostEveryMs }: Pace = {}) {
    this.#read = read;
    this.#everyMs = everyMs;
    this.#atMostEveryMs = atMostEveryMs ?? AT_MOST_EVERY_MS;
  }

  /** The newest value; null until the first one is read. */
  get value(): ReadonlySignal<Value | null> {
    return this.#value;
  }

  /** Why the newest read was refused; null if it was not. */
  get error(): ReadonlySignal<string | null> {
    return this.#error;
  }

  /** Read the value as soon as the pace allows. An unwatched figure is read once it is watched. */
  refresh(): void {
    if (this.#isReading) this.#isStale = true;
    else this.#schedule(Math.max(0, this.#lastReadAt + this.#atMostEveryMs - performance.now()));
  }

  /** Show a value from another answer of the service. */
  set(value: Value): void {
    this.#value.value = value;
  }

  /** Keep the value up to date until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) this.refresh();
    return () => {
      this.#watchers -= 1;
      if (this.#watchers === 0) this.#stop();
    };
  }

  #schedule(milliseconds: number): void {
    const dueAt = performance.now() + milliseconds;
    if (this.#watchers === 0 || milliseconds === Infinity || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => void this.#readNow(), milliseconds);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Infinity;
  }

  #readWhenSeen(): void {
    if (this.#isUnseen) return;
    this.#isUnseen = true;
    const seen = () => {
      this.#isUnseen = false;
      this.refresh();
    };
    document.addEventListener("visibilitychange", seen, { once: true });
  }

  async #readNow(): Promise<void> {
    this.#stop();
    if (document.hidden) {
      this.#readWhenSeen();
      return;
    }
    this.#isReading = true;
    this.#isStale = false;
    this.#lastReadAt = performance.now();
    let next = this.#everyMs;
    try {
      const value = await this.#read();
      callSucceeded();
      this.#value.value = value;
      this.#error.value = null;
    } catch (error) {
      this.#error.value = callFailed(error);
      // A refused read is repeated at its usual time; a read without an answer is repeated sooner.
      if (this.#error.value === null) next = Math.min(next, RETRY_MS);
    }
    this.#isReading = false;
    if (this.#isStale) this.refresh();
    else this.#schedule(next);
  }
}

/** Keep figures up to date while a component is shown. */
export function useFigures(...figures: Figure<any>[]): void {
  // A layout effect, because the first reads must not wait for the paint.
  useLayoutEffect(() => {
    const stops = figures.map((figure) => figure.watch());
    const seen = reconnections.peek();
    stops.push(
      effect(() => {
        if (reconnections.value !== seen) for (const figure of figures) figure.refresh();
      }),
    );
    return () => stops.forEach((stop) => stop());
  }, figures);
}
