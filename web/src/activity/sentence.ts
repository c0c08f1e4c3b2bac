// What an entry of the log says, as a short sentence.

import type { AccountUpdate, OrderUpdate } from "bottrading-client";

import type { Entry } from "../service/log.js";
import { money, price, quantity, roundedPrice, signedMoney, word } from "../shared/format.js";

export function momentOf(entry: Entry): string {
  return entry.kind === "account_update" ? entry.time : entry.order.updated_at;
}

/** Return the class of the tag of an entry. */
export function toneOf(entry: Entry): string {
  switch (entry.type) {
    case "FILLED":
    case "PARTIALLY_FILLED":
      return "tag-accent";
    case "REJECTED":
      return "tag-loss";
    case "RESET":
    case "TRADING_STATE":
      return "tag-warning";
    default:
      return "";
  }
}

export function sentenceOf(entry: Entry): string {
  return entry.kind === "account_update" ? ofAccount(entry) : ofOrder(entry);
}

function ofOrder({ type, order, fill }: OrderUpdate): string {
  const what = `${word(order.side)} ${quantity(order.quantity)} ${order.symbol}`;
  if (fill) {
    const result = fill.realized_pnl === null ? "" : `, ${signedMoney(fill.realized_pnl)}`;
    const filled = `${word(fill.side)} ${quantity(fill.quantity)} ${fill.symbol}`;
    return `${filled} at ${roundedPrice(fill.price)}${result}`;
  }
  switch (type) {
    case "REJECTED":
      return `${what}: ${order.rejection_message ?? word(order.rejection_reason ?? "")}`;
    case "CANCELLED":
      return `${what}: ${word(order.status_reason ?? "").toLowerCase()}`;
    default:
      return `${what}, ${terms(order)}`;
  }
}

function terms({ order_type, limit_price, stop_price }: OrderUpdate["order"]): string {
  const stop = stop_price && `stop ${price(stop_price)}`;
  const limit = limit_price && `limit ${price(limit_price)}`;
  return [stop, limit].filter(Boolean).join(", ") || word(order_type).toLowerCase();
}

function ofAccount({ type, amount, balance, trading_state, settlement }: AccountUpdate): string {
  switch (type) {
    case "TRADING_STATE":
      return word(trading_state);
    case "DEPOSIT":
      return `${signedMoney(amount ?? 0)}, now ${money(balance)} in cash`;
    case "SETTLED":
      return settlement
        ? `${quantity(settlement.quantity)} ${settlement.symbol} ` +
            `at ${roundedPrice(settlement.price)}, ${signedMoney(settlement.realized_pnl)}`
        : "";
    default:
      return `Begins with ${money(balance)}`;
  }
}
