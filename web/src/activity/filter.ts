// Which entries of the log are shown.

import type { Entry } from "../service/log.js";

export const FILTERS = [
  { value: "all", title: "All" },
  { value: "fills", title: "Fills" },
  { value: "orders", title: "Orders" },
  { value: "rejected", title: "Rejected" },
  { value: "account", title: "Account" },
] as const;

export type Filter = (typeof FILTERS)[number]["value"];

/** Tell whether an entry is of the kind and contains each of the words. */
export function matches(entry: Entry, filter: Filter, words: string): boolean {
  return isOfKind(entry, filter) && hasWords(entry, words.toUpperCase().split(/\s+/));
}

function isOfKind(entry: Entry, filter: Filter): boolean {
  if (filter === "all") return true;
  if (entry.kind === "account_update") return filter === "account";
  switch (filter) {
    case "fills":
      return entry.fill !== null;
    case "rejected":
      return entry.type === "REJECTED";
    default:
      return filter === "orders" && entry.fill === null;
  }
}

function hasWords(entry: Entry, words: string[]): boolean {
  const text = textsOf(entry).join(" ").toUpperCase();
  return words.every((word) => text.includes(word));
}

function textsOf(entry: Entry): unknown[] {
  if (entry.kind === "account_update") {
    return [entry.type, entry.trading_state, entry.settlement?.symbol];
  }
  const { side, symbol, id, client_order_id } = entry.order;
  return [entry.type, side, symbol, id, client_order_id];
}
