"""The tools, with descriptions for an agent; each tool is one call of the client."""

import asyncio
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any, Literal

from mcp_types import CallToolResult
from pydantic import BeforeValidator, Field, WithJsonSchema

from bottrading_client import (
    AsyncBotTradingClient,
    DeadlineExceeded,
    OrderClass,
    OrderUpdate,
    OutcomeUnknown,
    StopLoss,
    TakeProfit,
)
from bottrading_mcp import answers
from bottrading_mcp.answers import LIVE, answer
from bottrading_mcp.duplicates import DuplicateGuard

Amount = Annotated[
    Decimal, Field(max_digits=28, decimal_places=8), WithJsonSchema({"type": "string"})
]
"""A decimal; its schema says string, because not every client reads two types. Numbers work too."""
Distance = Annotated[str, BeforeValidator(str), WithJsonSchema({"type": "string"})]
"""How far a stop stays behind: US dollars, or a percentage with its sign."""
Symbol = Annotated[str, Field(description="AAPL, BTC-USD")]
"""Described where an agent first needs it, as enums are; elsewhere a plain `str` says enough."""
Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"]
GroupClass = Literal["BRACKET", "OTO", "OCO"]
TimeInForce = Literal["GTC", "DAY", "IOC", "FOK"]
AssetType = Literal["STOCK", "CRYPTO", "FOREX", "ETF", "OPTION", "COMMODITY"]
Status = Literal["OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "REJECTED"]
Period = Literal["DAY", "WEEK", "MONTH", "ALL"]
Interval = Literal["1m", "5m", "15m", "1h", "1d"]
OwnId = Annotated[str, Field(description="Your id for this order")]

INSTRUMENTS_SHOWN = 50
STEP_SECONDS_MAX = 50
"""So long one call waits for other bots: clients give up after a minute."""


class Tools:
    """What an agent can do on one account."""

    def __init__(self, client: AsyncBotTradingClient, guard: DuplicateGuard) -> None:
        self._client = client
        self._guard = guard
        self._stepped_to: datetime | None = None

    async def place_order(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Amount | None = None,
        order_type: OrderType = "MARKET",
        limit_price: Amount | None = None,
        stop_price: Amount | None = None,
        time_in_force: TimeInForce = "GTC",
        asset_type: AssetType | None = None,
        notional: Amount | None = None,
        trail_amount: Amount | None = None,
        trail_percent: Amount | None = None,
        client_order_id: OwnId | None = None,
        take_profit: Amount | None = None,
        stop_loss: Amount | None = None,
        stop_loss_trail: Distance | None = None,
        order_class: GroupClass | None = None,
    ) -> CallToolResult:
        """Place an order: it is FILLED, OPEN, or REJECTED with a reason.

        LIMIT needs limit_price, STOP stop_price, STOP_LIMIT both, TRAILING_STOP one trail. MARKET
        and LIMIT BUY take notional (USD) instead of quantity. A BUY takes exits: prices
        take_profit, stop_loss or both; a SELL with both is two exits of a long position. In a
        MARGIN account, order_class BRACKET or OTO lets a SELL open a short, OCO a BUY exit one.
        stop_loss_trail, "5" (USD) or "5%", follows the market. A repetition within 120 s returns
        the first order, unless REJECTED or client_order_id differs.
        """
        group = _group(side, order_type, take_profit, stop_loss, stop_loss_trail, order_class)
        send = partial(
            self._client.place_order,
            symbol,
            side,
            quantity,
            limit_price=limit_price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            asset_type=asset_type,
            notional=notional,
            trail_amount=trail_amount,
            trail_percent=trail_percent,
            **group,
        )
        if client_order_id is not None:
            order = await send(client_order_id=client_order_id)
            first = "this client_order_id is that of this order."
        else:
            # Arguments as the service reads them; the asset type is only a check.
            order, seconds_ago = await self._guard.place(
                lambda derived: send(client_order_id=derived),
                symbol=symbol.upper().replace("/", "-"),
                side=side,
                quantity=_exact(quantity),
                order_type=order_type,
                limit_price=_exact(limit_price),
                stop_price=_exact(stop_price),
                time_in_force=time_in_force,
                notional=_exact(notional),
                order_class=group.get("order_class"),
                take_profit=_exact(take_profit),
                stop_loss=_exact(stop_loss),
                stop_loss_trail=" ".join(str(_exact(it)) for it in _distance(stop_loss_trail)),
                trail_amount=_exact(trail_amount),
                trail_percent=_exact(trail_percent),
            )
            ago = f"{seconds_ago:.0f} s ago"
            first = f"this order was placed {ago}; pass a client_order_id for another."
        replayed = f"Nothing new was placed: {first} " if order.replayed else ""
        return answer(replayed + answers.order_text(order), order=order)

    async def preview_order(
        self,
        symbol: str,
        side: str,
        quantity: Amount | None = None,
        order_type: str = "MARKET",
        limit_price: Amount | None = None,
        stop_price: Amount | None = None,
        time_in_force: str = "GTC",
        asset_type: str | None = None,
        notional: Amount | None = None,
        trail_amount: Amount | None = None,
        trail_percent: Amount | None = None,
        take_profit: Amount | None = None,
        stop_loss: Amount | None = None,
        stop_loss_trail: Distance | None = None,
        order_class: str | None = None,
    ) -> CallToolResult:
        """Tell what place_order would do: price, fees, rejections."""
        preview = await self._client.preview_order(
            symbol,
            side,
            quantity,
            limit_price=limit_price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            asset_type=asset_type,
            notional=notional,
            trail_amount=trail_amount,
            trail_percent=trail_percent,
            **_group(side, order_type, take_profit, stop_loss, stop_loss_trail, order_class),
        )
        return answer(answers.preview_text(preview), preview=preview)

    async def replace_order(
        self,
        order_id: str,
        quantity: Amount | None = None,
        limit_price: Amount | None = None,
        stop_price: Amount | None = None,
        trail_amount: Amount | None = None,
        trail_percent: Amount | None = None,
    ) -> CallToolResult:
        """Change total quantity, prices or trail of a live order; values left out stay."""
        order = await self._client.replace_order(
            order_id,
            quantity=quantity,
            limit_price=limit_price,
            stop_price=stop_price,
            trail_amount=trail_amount,
            trail_percent=trail_percent,
        )
        return answer(answers.order_text(order), order=order)

    async def cancel_order(self, order_id: str) -> CallToolResult:
        """Cancel a live order; fills stay."""
        order = await self._client.cancel_order(order_id)
        return answer(answers.order_text(order), order=order)

    async def cancel_all_orders(self, symbol: str | None = None) -> CallToolResult:
        """Cancel all live orders, or those of a symbol."""
        orders = await self._client.cancel_all_orders(symbol)
        return answer(answers.cancelled_text(orders), orders=orders, skipped=orders.skipped)

    async def close_position(
        self,
        symbol: str,
        quantity: Amount | None = None,
        percentage: Amount | None = None,
        client_order_id: str | None = None,
    ) -> CallToolResult:
        """Close a position, long or short, at the market: all, a quantity or percentage.

        Cancels live orders that reserve it. For a repeated part see place_order.
        """
        send = partial(
            self._client.close_position, symbol, quantity=quantity, percentage=percentage
        )
        if client_order_id is not None or quantity is percentage is None:
            order = await send(client_order_id=client_order_id)
            first = "this client_order_id is that of this order."
        else:
            order, seconds_ago = await self._guard.place(
                lambda derived: send(client_order_id=derived),
                closes="a part",
                symbol=symbol.upper().replace("/", "-"),
                quantity=_exact(quantity),
                percentage=_exact(percentage),
            )
            first = (
                f"this part was closed {seconds_ago:.0f} s ago; pass a client_order_id for another."
            )
        text = answers.order_text(order)
        if order.replayed:
            text = f"Nothing new was placed: {first} {text}"
        return answer(text, order=order)

    async def get_order(
        self, order_id: str | None = None, client_order_id: str | None = None
    ) -> CallToolResult:
        """Return an order, by one of its two ids."""
        if client_order_id is None and order_id is not None:
            order = await self._client.order(order_id)
        elif client_order_id is not None and order_id is None:
            order = await self._client.order_by_client_id(client_order_id)
        else:
            raise ValueError("pass either order_id or client_order_id")
        return answer(answers.order_text(order), order=order)

    async def get_orders(
        self,
        status: Annotated[Status | None, Field(description="OPEN: every live order")] = None,
        symbol: str | None = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> CallToolResult:
        """List orders, newest first."""
        found = self._client.orders(status=status, symbol=symbol, limit=limit)
        orders = [order async for order in found]
        return answer(answers.orders_text(orders), orders=orders)

    async def wait_for_order(
        self,
        order_id: str,
        timeout_seconds: Annotated[int, Field(ge=1, le=300)] = 30,
    ) -> CallToolResult:
        """Wait until an order is not live or time is over."""
        order = await self._client.order(order_id)
        try:
            async with asyncio.timeout(timeout_seconds), self._client.order_updates() as updates:
                order = await self._client.order(order_id)
                while order.status in LIVE:
                    update = await anext(updates)
                    if isinstance(update, OrderUpdate) and update.order.id == order_id:
                        order = update.order
        except TimeoutError:
            text = f"Still live after {timeout_seconds} s. {answers.order_text(order)}"
            return answer(text, order=order)
        return answer(answers.order_text(order), order=order)

    async def advance_clock(
        self, next_bar: Interval = "1d", until: datetime | None = None
    ) -> CallToolResult:
        """Let a lock-step replay go on until a bar ends, or until a time.

        Returns what became of your orders.
        """
        if self._stepped_to is None:
            self._stepped_to = (await self._client.clock()).time
        advance = self._client.with_timeout(STEP_SECONDS_MAX).advance_clock
        # A call that an agent repeats goes on from the time that it knows, and moves nothing twice.
        try:
            if until is None:
                stepped = await advance(next_bar=next_bar, from_time=self._stepped_to)
            else:
                stepped = await advance(until=until, from_time=self._stepped_to)
        except OutcomeUnknown as error:
            if isinstance(error.__cause__, DeadlineExceeded):
                raise ValueError(
                    "Other bots are not done yet, so time stands still. Call advance_clock again"
                    " with the same arguments: it moves time once."
                ) from error
            raise
        self._stepped_to = stepped.time
        return answer(answers.advance_text(stepped), advance=stepped)

    async def get_portfolio(self) -> CallToolResult:
        """Return money, equity, margin and positions."""
        portfolio = await self._client.portfolio()
        return answer(answers.portfolio_text(portfolio), portfolio=portfolio)

    async def get_trading_kpi(self) -> CallToolResult:
        """Return performance: Sharpe, Sortino, drawdown, win rate, rank."""
        kpi = await self._client.kpi()
        return answer(answers.kpi_text(kpi), kpi=kpi)

    async def get_leaderboard(
        self, period: Period = "ALL", limit: Annotated[int, Field(ge=1, le=100)] = 10
    ) -> CallToolResult:
        """List the highest returns of a period, and your rank."""
        leaderboard = await self._client.leaderboard(period, limit=limit)
        return answer(answers.leaderboard_text(leaderboard), leaderboard=leaderboard)

    async def get_bot_account(self) -> CallToolResult:
        """Return money, state, plan and calls of the day."""
        account = await self._client.account()
        return answer(answers.account_text(account), account=account)

    async def find_instruments(
        self,
        query: Annotated[str | None, Field(description="Part of a symbol or name")] = None,
        asset_type: str | None = None,
    ) -> CallToolResult:
        """List instruments by symbol, at most 50."""
        found = await self._client.instruments(asset_type=asset_type, query=query)
        shown = found[:INSTRUMENTS_SHOWN]
        return answer(answers.instruments_text(shown, len(found)), instruments=shown)

    async def get_bars(
        self, symbol: str, interval: Interval, limit: Annotated[int, Field(ge=1, le=100)] = 20
    ) -> CallToolResult:
        """List the newest bars, oldest first."""
        bars = (await self._client.bars(symbol, interval.upper()))[-limit:]
        return answer(answers.bars_text(bars), bars=bars)

    async def get_quote(self, symbol: str) -> CallToolResult:
        """Return the newest bid and ask of an instrument."""
        quote = await self._client.quote(symbol)
        return answer(answers.quote_text(quote), quote=quote)

    async def get_limits(self) -> CallToolResult:
        """Return every limit, what is left of it and when it resets."""
        limits = await self._client.limits()
        return answer(answers.limits_text(limits), limits=limits)


def _group(
    side: str,
    order_type: str,
    take_profit: Decimal | None,
    stop_loss: Decimal | None,
    trail: str | None,
    order_class: str | None,
) -> dict[str, Any]:
    """Return the exits of an order, and its class: if none is given, that of a long position."""
    has_stop = stop_loss is not None or trail is not None
    fields: dict[str, Any] = {"order_type": order_type}
    if take_profit is not None:
        fields["take_profit"] = TakeProfit(limit_price=take_profit)
    if has_stop:
        amount, percent = _distance(trail)
        fields["stop_loss"] = StopLoss(
            stop_price=stop_loss, trail_amount=amount, trail_percent=percent
        )
    if order_class is None:
        if take_profit is None and not has_stop:
            return fields
        is_single = take_profit is None or not has_stop
        entry = OrderClass.OTO if is_single else OrderClass.BRACKET
        order_class = OrderClass.OCO if side == "SELL" else entry
    # An OCO takes the type of its take-profit, which is LIMIT.
    if order_class == OrderClass.OCO and order_type == "MARKET":
        fields["order_type"] = None
    return fields | {"order_class": order_class}


def _distance(trail: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Return a distance as an amount or a percentage."""
    if trail is None:
        return None, None
    number = trail.strip()
    try:
        value = Decimal(number.removesuffix("%"))
    except InvalidOperation:
        raise ValueError(
            f'stop_loss_trail is "5" for 5 US dollars or "5%" for 5 percent, not "{trail}"'
        ) from None
    return (None, value) if number.endswith("%") else (value, None)


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else answers.amount(value)
