"""A book in memory: one account with its orders, driven as the server drives the domain."""

import math
from dataclasses import replace as replaced
from itertools import count

from server.domain.account import Account, Inflow, Position
from server.domain.account_changes import deposit, refuse_deposit, reset
from server.domain.closing import CloseTicket, close, closing_already, holders_of
from server.domain.costs import (
    FEE_SCHEDULE,
    Costs,
    DisplayedLiquidity,
    LinearSlippage,
    NoFees,
    NoSlippage,
    ScheduledFees,
    UnlimitedLiquidity,
)
from server.domain.errors import Refusal
from server.domain.events import AccountUpdated, Event, OrderUpdated
from server.domain.group_placing import place_group, preview_group
from server.domain.instrument import AssetType, Instrument, LiquidityClass
from server.domain.margin import MarginBook, Stake, mark_of
from server.domain.market import Market
from server.domain.order import (
    Order,
    OrderTicket,
    OrderType,
    Side,
    StatusReason,
)
from server.domain.order_groups import ALONE, Others
from server.domain.posting import Decision
from server.domain.previews import Preview, preview
from server.domain.quote import FUTURE_TOLERANCE, Quote, QuoteRefusal, refusal
from server.domain.risk import Guard, Rejection
from server.domain.sizing import sized
from server.domain.trading import (
    Replacement,
    cancel,
    expire,
    fill_resting,
    place,
    replace,
)
from server.domain.trailing import trailed
from server.domain.valuation import total_equity, value
from server.domain.values import DAY, SECOND, Micros, Money, Price, Quantity, Units, parse_units
from tests.domain.asked import LEGS, Wish
from tests.domain.whole_curve import without_inflows

STALENESS_LIMIT: Micros = 15 * SECOND
BEGINNING: Micros = 20_000 * DAY
"""Midnight of the first day of every book."""


def _instrument(
    symbol: str, asset_type: AssetType, *, multiplier: int = 1, thin: bool = False
) -> Instrument:
    return Instrument(
        symbol=symbol,
        name=symbol,
        asset_type=asset_type,
        price_tick=Price(1),
        multiplier=multiplier,
        liquidity_class=LiquidityClass.THIN if thin else LiquidityClass.LIQUID,
    )


INSTRUMENTS: dict[str, Instrument] = {
    instrument.symbol: instrument
    for instrument in (
        _instrument("AAPL", AssetType.STOCK),
        _instrument("GME", AssetType.STOCK, thin=True),
        _instrument("SPY", AssetType.ETF),
        _instrument("BTC-USD", AssetType.CRYPTO),
        _instrument("DUST", AssetType.CRYPTO),
        _instrument("EUR-USD", AssetType.FOREX),
        _instrument("GOLD", AssetType.COMMODITY, multiplier=10),
        _instrument("CALL", AssetType.OPTION, multiplier=100),
    )
}


def make_costs(*, fees: bool = False, slippage: bool = False, displayed: bool = True) -> Costs:
    """Return a market without fees and slippage that fills displayed sizes, unless told so."""
    return Costs(
        fees=ScheduledFees(FEE_SCHEDULE) if fees else NoFees(),
        slippage=LinearSlippage() if slippage else NoSlippage(),
        liquidity=DisplayedLiquidity() if displayed else UnlimitedLiquidity(),
    )


class Book:
    """One account, its positions and orders, and the newest quotes."""

    def __init__(self, *, deposit: Units, costs: Costs, name: str = "account") -> None:
        self.costs = costs
        self.now = BEGINNING
        self.account = Account(
            id=name,
            user_id="user",
            created_at=BEGINNING,
            deposits=deposit,
            balance=deposit,
            epoch_began_at=BEGINNING,
        )
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, Order] = {}
        self.quotes: dict[str, Quote] = {}
        self.is_open = True
        self.guard = Guard()
        self.inflows: list[Inflow] = []
        self._fill_numbers = count(1)

    def position(self, symbol: str) -> Position:
        """Return a position, an empty one when there is none."""
        return self.positions.get(symbol) or Position(account_id=self.account.id, symbol=symbol)

    @property
    def live_orders(self) -> list[Order]:
        """Return the orders that can still change, oldest first."""
        return [order for order in self.orders.values() if order.status.is_live]

    def place(self, order_id: str, wish: Wish) -> tuple[OrderUpdated, ...]:
        """Place an order that gets the given id."""
        assert order_id not in self.orders, f"{order_id} is placed twice"
        ticket, book = self.ticket(wish), self.margin_book
        order_ids = [order_id, *(f"{order_id}.{LEGS[it.leg]}" for it in wish.exits)]
        position, market = self.position(wish.symbol), self.market(wish.symbol)
        state = (self.account, position, market, self._new_fill_id, self.guard)
        return self._keep(
            place_group(ticket, order_ids, *state, book=book)
            if wish.exits
            else place(ticket, order_id, *state, book=book)
        )

    def sized(self, wish: Wish) -> Wish | Refusal:
        """Return a wish for a notional with the quantity that this buys or sells now."""
        found = sized(self.ticket(wish), self.account, self.market(wish.symbol))
        return found if isinstance(found, Refusal) else replaced(wish, quantity=found.quantity)

    def preview(self, wish: Wish) -> Preview:
        """Tell what placing an order would do."""
        return (preview_group if wish.exits else preview)(
            self.ticket(wish),
            self.account,
            self.position(wish.symbol),
            self.market(wish.symbol),
            self.guard,
            self.margin_book,
        )

    def replace(self, order_id: str, wanted: Replacement) -> tuple[OrderUpdated, ...] | Rejection:
        """Give a live order new values."""
        order = self.orders[order_id]
        position, market = self.position(order.symbol), self.market(order.symbol)
        state = (self.account, position, market, self._new_fill_id, self.guard)
        decision = replace(order, wanted, *state, self.others(order), self.margin_book)
        return decision if isinstance(decision, Rejection) else self._keep(decision)

    def cancel(self, order_id: str) -> tuple[OrderUpdated, ...]:
        """Cancel a live order on request."""
        order = self.orders[order_id]
        return self._cancel(order, StatusReason.REQUESTED)

    def close(
        self, order_id: str, asked: CloseTicket
    ) -> tuple[OrderUpdated, ...] | Order | Refusal:
        """Close a position; return the order that closes it already, if there is one."""
        position = self.position(asked.symbol)
        quantity = asked.quantity_of(position, INSTRUMENTS[asked.symbol])
        if isinstance(quantity, Refusal):
            return quantity
        holders = holders_of(position, reversed(self.live_orders))
        already = closing_already(quantity, position, holders)
        if already is not None:
            return already
        state = (self.account, position, holders, self.market(asked.symbol), self._new_fill_id)
        limits = (self.guard, self.others, self.margin_book)
        return self._keep(close(asked.order(quantity, position), order_id, *state, *limits))

    @property
    def margin_book(self) -> MarginBook | None:
        """Return what is bound of the equity; None for a CASH account."""
        if not self.account.uses_margin:
            return None
        stakes = [
            Stake(
                position=self.position(symbol),
                instrument=INSTRUMENTS[symbol],
                mark=mark_of(
                    self.position(symbol),
                    self.quotes.get(symbol),
                    [order for order in self.live_orders if order.symbol == symbol],
                ),
                is_fresh=self.market(symbol).quote is not None,
            )
            for symbol in self.positions | self.quotes
        ]
        return MarginBook(
            stakes={it.position.symbol: it for it in stakes},
            live_orders=lambda symbol: [it for it in self.live_orders if it.symbol == symbol],
        )

    def equity(self) -> Units:
        """Return what the account is worth at the newest quotes."""
        valued = [
            value(position, INSTRUMENTS[symbol], self.quotes.get(symbol), fresh=False)
            for symbol, position in self.positions.items()
        ]
        return total_equity(self.account.balance, valued)

    def initial_value(self) -> float:
        """Return what became of the initial balance; it agrees with all that came in."""
        equity, account = self.equity(), self.account
        (whole,) = without_inflows([(account.sequence, equity)], self.inflows)
        kept = account.initial_value(equity)
        assert math.isclose(kept, whole, rel_tol=1e-12), "the share of what came in"
        return kept

    def deposit(self, amount: Units) -> Refusal | tuple[AccountUpdated, ...]:
        """Add money."""
        given = self.account, Money(amount), Money(self.equity())
        refusal = refuse_deposit(*given)
        if refusal is not None:
            return refusal
        decision = deposit(*given, self.now)
        assert decision.inflow is not None
        self.inflows.append(decision.inflow)
        return self._keep_account(decision)

    def reset(self, starting_balance: Units) -> tuple[Event, ...]:
        """Cancel all orders, drop all positions and begin anew."""
        events: list[Event] = []
        for stale in self.live_orders:
            order = self.orders[stale.id]
            if order.status.is_live:
                events += self._cancel(order, StatusReason.ACCOUNT_RESET)
        held = list(self.positions.values())
        decision = reset(self.account, held, Money(starting_balance), self.now)
        self.inflows.clear()
        return (*events, *self._keep_account(decision))

    def expire(self) -> tuple[OrderUpdated, ...]:
        """End the orders whose time is over."""
        events: list[OrderUpdated] = []
        for stale in self.live_orders:
            order = self.orders[stale.id]
            if order.expires_at is None or order.expires_at > self.now:
                continue
            if order.status.is_live:
                position, others = self.position(order.symbol), self.others(order)
                events += self._keep(expire(order, self.account, position, self.now, others))
        return tuple(events)

    def show(self, quote: Quote) -> QuoteRefusal | tuple[OrderUpdated, ...]:
        """Apply a quote and match the live orders of its symbol, best price first."""
        refused = refusal(quote, self.quotes.get(quote.symbol), self.now)
        if refused is not None:
            return refused
        self.quotes[quote.symbol] = quote
        events: list[OrderUpdated] = []
        if self.is_open and self.market(quote.symbol).quote is not None:
            for order in (it for it in self.live_orders if it.symbol == quote.symbol):
                self.orders[order.id] = trailed(order, quote)
        waiting = [
            order
            for order in self.live_orders
            if order.symbol == quote.symbol and not order.is_held
        ]
        for stale in sorted(waiting, key=_priority):
            order = self.orders[stale.id]
            position, market = self.position(order.symbol), self.market(order.symbol)
            if market.quote is not None and self.is_open and order.status.is_live:
                others = self.others(order)
                state = (self.account, position, market, self._new_fill_id, others)
                events += self._keep(fill_resting(order, *state, self.margin_book))
        return tuple(events)

    def market(self, symbol: str) -> Market:
        """Return the market of an instrument as it is now."""
        quote = self.quotes.get(symbol)
        age = 0 if quote is None else self.now - quote.time
        fresh = quote is not None and -FUTURE_TOLERANCE <= age <= STALENESS_LIMIT
        return Market(
            instrument=INSTRUMENTS[symbol],
            quote=quote if fresh or not self.is_open else None,
            costs=self.costs,
            now=self.now,
            day_end=(self.now // DAY + 1) * DAY,
            is_open=self.is_open,
        )

    def ticket(self, wish: Wish) -> OrderTicket:
        """Return the order that a wish asks for."""
        return OrderTicket(
            account_id=self.account.id,
            bot_key_id="key",
            symbol=wish.symbol,
            side=wish.side,
            order_type=wish.order_type,
            quantity=Quantity(wish.quantity),
            limit_price=None if wish.limit_price is None else Price(wish.limit_price),
            stop_price=None if wish.stop_price is None else Price(wish.stop_price),
            time_in_force=wish.time_in_force,
            client_order_id=None,
            notional=None if wish.notional is None else Money(wish.notional),
            order_class=wish.order_class,
            exits=wish.exits,
            trail_amount=None if wish.trail_amount is None else Price(wish.trail_amount),
            trail_percent=wish.trail_percent,
        )

    def _cancel(self, order: Order, reason: StatusReason) -> tuple[OrderUpdated, ...]:
        position, others = self.position(order.symbol), self.others(order)
        return self._keep(cancel(order, self.account, position, self.now, reason, others))

    def others(self, order: Order) -> Others:
        """Return the other orders of an order's group."""
        if order.role is None:
            return ALONE
        parent = self.orders[order.role.parent_order_id or order.id]
        assert parent.role is not None
        members = [parent, *(self.orders[name] for name in parent.role.leg_order_ids)]
        return {member.id: member for member in members if member.id != order.id}

    def _new_fill_id(self) -> str:
        return f"fill-{next(self._fill_numbers)}"

    def _keep(self, decision: Decision | None) -> tuple[OrderUpdated, ...]:
        if decision is None:
            return ()
        self.account = decision.account
        self.positions |= decision.positions
        assert decision.new_orders.isdisjoint(self.orders), "what is new was not there"
        assert decision.orders.keys() - decision.new_orders <= self.orders.keys(), "what changes is"
        self.orders |= decision.orders
        return tuple(event for event in decision.events if isinstance(event, OrderUpdated))

    def _keep_account(self, decision: Decision) -> tuple[AccountUpdated, ...]:
        self.account = decision.account
        self.positions |= decision.positions
        return tuple(event for event in decision.events if isinstance(event, AccountUpdated))


def told_by(decision: Decision) -> AccountUpdated:
    """Return the one event of a decision about an account."""
    (event,) = decision.events
    assert isinstance(event, AccountUpdated)
    return event


def make_quote(
    symbol: str,
    bid: str,
    bid_size: str,
    ask: str,
    ask_size: str,
    *,
    time: Micros,
    last: str | None = None,
    sequence: int = 0,
) -> Quote:
    """Return a quote of decimals as they are written; `last` is the bid unless given."""
    return Quote(
        symbol=symbol,
        bid=Price(parse_units(bid)),
        bid_size=Quantity(parse_units(bid_size)),
        ask=Price(parse_units(ask)),
        ask_size=Quantity(parse_units(ask_size)),
        last=Price(parse_units(last or bid)),
        time=time,
        sequence=sequence,
    )


def _priority(order: Order) -> tuple[bool, str, bool, int, int]:
    buys = order.side is Side.BUY
    if order.order_type is OrderType.TRAILING_STOP and order.stop_price is None:
        return (True, order.side.value, False, 2**63, order.sequence)
    if order.stop_price is not None and order.triggered_at is None:
        stop = order.stop_price if buys else -order.stop_price
        return (True, order.side.value, False, stop, order.sequence)
    price = order.limit_price or 0
    limited = order.limit_price is not None
    return (False, order.side.value, limited, -price if buys else price, order.sequence)
