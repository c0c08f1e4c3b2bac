"""Answers of tools: structured content, and a short text for the agent to read.

Structured content has the shape of the contract: its names, amounts as strings, null where the
contract says null. Texts that people chose are wrapped, so that no agent takes them for
instructions.
"""

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from mcp_types import CallToolResult, TextContent

from bottrading_client import (
    Account,
    AccountUpdate,
    Bar,
    CancelledOrders,
    ClockAdvance,
    Instrument,
    Leaderboard,
    LeaderboardEntry,
    Limits,
    MarginMode,
    Order,
    OrderPreview,
    OrderStatus,
    OrderUpdate,
    Portfolio,
    Position,
    Quota,
    Quote,
    RateLimit,
    TradingKpi,
)

CHOSEN_BY_SOMEBODY = {"display_name", "label", "client_order_id", "name"}
LIVE = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def answer(text: str, **content: Any) -> CallToolResult:
    """Return a tool's result: each name of the structured content holds one value."""
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content={name: _json(value) for name, value in content.items()},
    )


def _json(value: Any) -> Any:
    if is_dataclass(value):
        return {
            field.name: _outside(getattr(value, field.name))
            if field.name in CHOSEN_BY_SOMEBODY
            else _json(getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


def _outside(text: str | None) -> dict[str, str] | None:
    return {"untrusted_text": text} if text else None


def order_text(order: Order) -> str:
    """Return an order as one line, and each of its legs as another."""
    prices = "".join(
        f" {name} {amount(price)}"
        for name, price in (
            ("limit", order.limit_price),
            ("stop", order.stop_price),
            ("trail", order.trail_amount),
            ("trail %", order.trail_percent),
        )
        if price is not None
    )
    asked = f"{order.side} {amount(order.quantity)} {order.symbol} {order.order_type}{prices}"
    line = f"{asked} {order.time_in_force}: {order.status}"
    if order.rejection_reason is not None:
        line += f", {order.rejection_reason}: {order.rejection_message}"
    if order.status_reason is not None:
        line += f", {order.status_reason}"
    if order.filled_price is not None:
        line += f", {amount(order.filled_quantity)} filled at {amount(order.filled_price)}"
        line += f", fees {amount(order.fees)}"
    line = f"{line.removesuffix('.')}."
    if order.leg is not None:
        line = f"{order.leg}{', held until its entry fills' if order.held else ''}: {line}"
    told = f"{line} id {order.id}" if order.id else line
    return "\n".join((told, *map(order_text, order.legs)))


def orders_text(orders: Sequence[Order]) -> str:
    """Return orders, one per line."""
    return "\n".join(map(order_text, orders)) or "No orders."


def cancelled_text(orders: CancelledOrders) -> str:
    """Return the cancelled orders, one per line, and how many live orders stayed."""
    text = f"Cancelled:\n{orders_text(orders)}" if orders else "No live order to cancel."
    if orders.skipped:
        text += f"\nStill live: {orders.skipped}, of instruments that this key is not for."
    return text


def preview_text(preview: OrderPreview) -> str:
    """Return what an order would do."""
    return (
        f"Nothing was placed. It would be: {order_text(preview.order)} Estimated fees"
        f" {amount(preview.estimated_fees)}, buying power after it"
        f" {amount(preview.buying_power_after)}."
    )


def account_text(account: Account) -> str:
    """Return the account: its owner, its money, and how many calls are left."""
    mode = ", MARGIN: it may borrow and sell short" if _is_on_margin(account) else ""
    return (
        f"Account of {quoted(account.display_name)}, {account.trading_state}{mode}, virtual money"
        f" on a {account.environment} market: balance {amount(account.balance)}, buying power"
        f" {amount(account.buying_power)}. Plan {account.plan}: {account.api_calls_used} of"
        f" {account.api_calls_limit} calls of the day used."
    )


def advance_text(advance: ClockAdvance) -> str:
    """Return where the clock of a replay stands and what happened meanwhile, one per line."""
    lines = [f"The time is {_json(advance.time)}."]
    if advance.ended:
        lines.append("The replay has ended.")
    lines += [f"{event.type}: {_happened(event)}" for event in advance.events]
    if advance.events and advance.events[-1].sequence < advance.last_sequence:
        lines.append("More happened: see get_orders.")
    return "\n".join(lines)


def _happened(event: OrderUpdate | AccountUpdate) -> str:
    return order_text(event.order) if isinstance(event, OrderUpdate) else _of_account(event)


def _of_account(update: AccountUpdate) -> str:
    if update.margin_call is not None:
        return (
            f"equity {amount(update.margin_call.equity)} is below the maintenance margin"
            f" {amount(update.margin_call.maintenance_margin)}: the venue closes positions."
        )
    if update.interest is not None:
        return (
            f"{amount(update.interest.loan_interest)} for the loan and"
            f" {amount(update.interest.borrow_fee)} for borrowed shares were charged."
        )
    return "account"


def portfolio_text(portfolio: Portfolio) -> str:
    """Return money, margins and positions, one per line."""
    money = (
        f"Equity {amount(portfolio.total_equity)}: balance {amount(portfolio.balance)} and"
        f" positions; buying power {amount(portfolio.buying_power)}, unrealised P&L"
        f" {amount(portfolio.total_unrealized_pnl)}."
    )
    held = [_position_text(one) for one in portfolio.positions]
    return "\n".join([money, *_margin_lines(portfolio), *(held or ["No positions."])])


def _margin_lines(portfolio: Portfolio) -> list[str]:
    """Return the margins of a MARGIN account, and what they mean for its next orders."""
    margin, free, least = portfolio.margin, portfolio.free_margin, portfolio.maintenance_margin
    if margin is None or free is None or least is None:
        return []
    lines = [
        f"MARGIN account: margin {amount(margin)}, free margin {amount(free)}, maintenance margin"
        f" {amount(least)}, loan {amount(portfolio.loan)}, interest paid"
        f" {amount(portfolio.interest_paid)}."
    ]
    if portfolio.total_equity < least:
        lines.append("MARGIN CALL: equity is below the maintenance margin.")
    if free < 0:
        lines.append("Free margin is below 0: only orders that reduce positions are accepted.")
    return lines


def _position_text(position: Position) -> str:
    held, worth = position.quantity, position.market_value
    if held < 0:
        value = f"short {amount(-held)}, sold at {amount(position.avg_cost)}, owes {amount(-worth)}"
    else:
        value = f"{amount(held)} at {amount(position.avg_cost)}, worth {amount(worth)}"
    return f"{position.symbol}: {value}, unrealised P&L {amount(position.unrealized_pnl)}"


def _is_on_margin(account: Account) -> bool:
    return account.margin_mode is MarginMode.MARGIN


def kpi_text(kpi: TradingKpi) -> str:
    """Return the key figures that are defined."""
    figures = [f"{name} {value}" for name, value in _json(kpi).items() if value is not None]
    return ", ".join(figures)


def leaderboard_text(leaderboard: Leaderboard) -> str:
    """Return the rows, one per line, and the caller's own rank."""
    lines = [_ranked(entry) for entry in leaderboard.entries]
    own = leaderboard.own_entry
    place = "not ranked" if own is None else _ranked(own)
    lines.append(f"Your account: {place}. Ranked accounts: {leaderboard.rank_total}.")
    return "\n".join(lines)


def _ranked(entry: LeaderboardEntry) -> str:
    return f"{entry.rank}. {quoted(entry.display_name)}: {entry.return_pct:+.2f} %"


def instruments_text(instruments: Sequence[Instrument], found: int) -> str:
    """Return instruments, one per line."""
    lines = [f"{one.symbol}: {quoted(one.name)}, {one.asset_type}" for one in instruments]
    if found > len(instruments):
        lines.append(f"{found - len(instruments)} more: narrow the query.")
    return "\n".join(lines) or "No such instrument."


def bars_text(bars: Sequence[Bar]) -> str:
    """Return bars, one per line."""
    lines = [
        f"{_json(bar.start)}: {amount(bar.open)} {amount(bar.high)} {amount(bar.low)}"
        f" {amount(bar.close)}{'' if bar.complete else ', still running'}"
        for bar in bars
    ]
    return "\n".join(["Open, high, low, close:", *lines]) if lines else "No bars yet."


def quote_text(quote: Quote) -> str:
    """Return bid and ask."""
    stale = " STALE, not traded on." if quote.stale else ""
    return (
        f"{quote.symbol}: bid {amount(quote.bid)} x {amount(quote.bid_size)}, ask"
        f" {amount(quote.ask)} x {amount(quote.ask_size)}, last {amount(quote.last)}, at"
        f" {_json(quote.time)}.{stale}"
    )


def limits_text(limits: Limits) -> str:
    """Return what is left of the limits that concern an agent."""
    return (
        f"Left: {_left(limits.orders)} orders and {_left(limits.requests)} calls of the minute,"
        f" {_left(limits.api_calls)} calls of the day, {_left(limits.open_orders)} more live"
        " orders."
    )


def _left(limit: RateLimit | Quota | None) -> str:
    if limit is None:
        return "any number of"
    return f"{limit.remaining} of {limit.limit}"


def amount(value: Decimal) -> str:
    """Return an amount without trailing zeros."""
    return format(value.normalize(), "f")


def quoted(text: str) -> str:
    """Return a text that somebody chose in quotation marks, with its own ones escaped."""
    return json.dumps(text)
