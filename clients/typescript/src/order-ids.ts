// Ids of orders whose caller gives none.

/**
 * Makes ids of orders: random ones, or in a lock-step replay ids made of its time.
 *
 * So the orders of a bot have the same ids in every run of a replay.
 */
export class OrderIds {
  #time: string | undefined;
  #count = 0;

  /** Make ids of this time of a replay from now on. */
  reach(time: string): void {
    if (time === this.#time) return;
    this.#time = time;
    this.#count = 0;
  }

  next(): string {
    return this.#time === undefined ? randomId() : `${this.#time}-${(this.#count += 1)}`;
  }
}

/** Return a random UUID; in a page that did not come over HTTPS there is no `randomUUID`. */
function randomId(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
