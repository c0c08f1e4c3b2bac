// What an entry of the log says, as a short sentence.

import type { AccountUpdate, OrderUpdate } from "bottrading-client";

import type { Entry } from "../service/log.js";
import { counted, money, price, quantity, roundedPrice, signedMoney, word } from "../shared/format.js";

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
    case "MARGIN_CALL":
    case "BANKRUPT":
      return "tag-loss";
    case "RESET":
    case "TRADING_STATE":
    case "MARGIN_MODE":
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

function ofAccount(update: AccountUpdate): string {
  const { type, amount, balance, settlement } = update;
  switch (type) {
    case "TRADING_STATE":
      return word(update.trading_state);
    case "MARGIN_MODE":
      return `${word(update.margin_mode)} account`;
    case "INTEREST":
      return ofInterest(update);
    case "MARGIN_CALL":
      return ofMarginCall(update);
    case "BANKRUPT":
      return `Equity is zero or less, ${money(balance)} in cash: halted until a reset`;
    case "STEP_MISSED":
      return `${counted(update.missed_steps ?? 1, "step")} missed in a row`;
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

function ofInterest({ interest, balance }: AccountUpdate): string {
  if (!interest) return "";
  const nights = counted(interest.nights, "night");
  return (
    `${money(interest.loan_interest)} for the loan and ${money(interest.borrow_fee)} ` +
    `for borrowed shares, ${nights}, now ${money(balance)} in cash`
  );
}

function ofMarginCall({ margin_call }: AccountUpdate): string {
  if (!margin_call) return "";
  return (
    `Equity of ${money(margin_call.equity)} is below the maintenance margin ` +
    `of ${money(margin_call.maintenance_margin)}: the venue closes positions`
  );
}
