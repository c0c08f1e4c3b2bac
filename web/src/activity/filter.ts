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

/** Tell whether an entry is of the kind, and has each of the words somewhere. */
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
  const text =
    entry.kind === "account_update"
      ? `${entry.type} ${entry.trading_state} ${entry.settlement?.symbol ?? ""}`
      : `${entry.type} ${entry.order.side} ${entry.order.symbol} ${entry.order.id} ${entry.order.client_order_id ?? ""}`;
  return words.every((word) => text.toUpperCase().includes(word));
}
