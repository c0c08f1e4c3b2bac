// Items that are handled together: in one animation frame, at most ten times a second.

const PAUSE_MS_MIN = 100;

/** Collect items and hand them over together, at most ten times a second. */
export class Batches<Item> {
  readonly #take: (items: Item[]) => void;
  #items: Item[] = [];
  #isPlanned = false;
  #takenAt = -Infinity;

  constructor(take: (items: Item[]) => void) {
    this.#take = take;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    const pause = Math.max(0, this.#takenAt + PAUSE_MS_MIN - performance.now());
    // A hidden page has no animation frames.
    const plan = () => (document.hidden ? this.#flush() : requestAnimationFrame(this.#flush));
    setTimeout(plan, pause);
  }

  readonly #flush = (): void => {
    this.#isPlanned = false;
    this.#takenAt = performance.now();
    const items = this.#items;
    this.#items = [];
    this.#take(items);
  };
}
