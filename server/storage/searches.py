"""Searches for live orders and positions, within a unit of work: they see what it has changed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select, text

from server.application.ports import ReachedOrder
from server.application.staging import Stage
from server.domain.account import Position
from server.domain.invariants import BrokenInvariant
from server.domain.matching import Reach
from server.domain.order import Order
from server.domain.resting import RestingPrices
from server.domain.values import Micros, Price
from server.storage import statements
from server.storage.listing_rows import live_of_account
from server.storage.pending import Pending
from server.storage.reached import Ranked, reached_order, reached_row
from server.storage.resting import Resting
from server.storage.session import Session, of_owned
from server.storage.tables import orders, positions
from server.storage.trail_sets import AnyTrails


class Searches(ABC):
    """The part of a unit of work that finds live orders and positions by other than their ids."""

    _connection: Connection
    _session: Session
    _pending: Pending
    _orders: dict[str, Order]
    _positions: dict[tuple[str, str], Position]
    _decided: set[str]
    _resting: Resting
    _trails: AnyTrails
    stage: Stage

    @abstractmethod
    def preload(self, holdings: Sequence[tuple[str, str]]) -> None:
        """Load (account, symbol) pairs together."""

    @abstractmethod
    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return an order of an account."""

    @abstractmethod
    def _remember(self, row: Any) -> Order:
        """Cache the order of a row; return this unit's version of it, which may be newer."""

    @abstractmethod
    def _as_now(self, order: Order) -> Order:
        """Return an order that this unit knows, with the stop that it has by now if it trails."""

    def live_orders(self, account_id: str, symbol: str | None) -> list[Order]:
        live = live_of_account(account_id, self._connection.dialect)
        query = select(live) if symbol is None else select(live).where(live.c.symbol == symbol)
        found = self._current(self._connection.execute(query))
        found.update(
            (order.id, order)
            for order in self._touched()
            if order.account_id == account_id and symbol in (None, order.symbol)
        )
        still = [order for order in found.values() if order.status.is_live]
        return sorted(still, key=lambda order: order.sequence, reverse=True)

    def live_orders_of(self, symbols: Sequence[str], limit: int) -> list[Order]:
        self._pending.write()
        query = select(orders).where(orders.c.live, orders.c.symbol.in_(symbols))
        query = query.where(*of_owned(orders, self._session)).limit(limit)
        return list(self._current(self._connection.execute(query)).values())

    def positions_of(self, symbols: Sequence[str], limit: int) -> list[Position]:
        self._pending.write()
        query = select(positions).where(positions.c.quantity != 0, positions.c.symbol.in_(symbols))
        query = query.where(*of_owned(positions, self._session))
        keys = [
            (row.account_id, row.symbol) for row in self._connection.execute(query.limit(limit))
        ]
        self.preload(keys)
        return [self._positions[key] for key in keys]

    def positions(self, account_id: str) -> list[Position]:
        query = select(positions.c.symbol).where(
            positions.c.account_id == account_id, text(statements.STAKES)
        )
        symbols = set(self._connection.execute(query).scalars())
        symbols.update(symbol for owner, symbol in self._pending.positions if owner == account_id)
        self.preload([(account_id, symbol) for symbol in symbols])
        return [self._positions[account_id, symbol] for symbol in sorted(symbols)]

    def positions_of_each(self, account_ids: Sequence[str]) -> dict[str, list[Position]]:
        self._pending.write()
        wanted = [(account_id,) for account_id in account_ids]
        rows = self._session.rows(statements.SELECT_STAKES, wanted)
        keys = sorted((row.account_id, row.symbol) for row in rows)
        self.preload(keys)
        found: dict[str, list[Position]] = {account_id: [] for account_id in account_ids}
        for key in keys:
            found[key[0]].append(self._positions[key])
        return found

    def symbols_in_use(self) -> list[str]:
        self._pending.write()
        own = partial(of_owned, session=self._session)
        held = select(positions.c.symbol).where(positions.c.quantity != 0, *own(positions))
        ordered = select(orders.c.symbol).where(orders.c.live, *own(orders))
        return sorted(self._connection.execute(held.union(ordered)).scalars())

    def reached_orders(self, reaches: Sequence[Reach]) -> list[ReachedOrder]:
        # A quote that only moves trails costs no query.
        near = [it for it in reaches if not self._resting.prices(it.symbol).misses(it.bid, it.ask)]
        # What is touched now stays apart, also when a look at the trails writes it.
        touched = self._pending.touched_orders
        found = self._stored_reached(near, touched) if near else []
        found += self._trails_reached(reaches, touched)
        if touched:
            symbols = {it.symbol for it in reaches}
            found += [
                reached_order(order, self._as_it_is)
                for order in map(self._as_now, map(self._orders.__getitem__, touched))
                if order.symbol in symbols and order.status.is_live and not order.is_held
            ]
        if near and not found:
            self._pending.write()
            for it in near:
                self._resting.look_again(it.symbol)
        return [reached for _, reached in sorted(found, key=itemgetter(0))] if found else []

    def _stored_reached(self, reaches: Sequence[Reach], touched: set[str]) -> list[Ranked]:
        """Return the stored orders that do not trail and that quotes reach."""
        prices = [(it.symbol, it.bid, it.ask, it.takers_bid, it.takers_ask) for it in reaches]
        if not self._session.has_any_for(statements.ANY_REACHED, prices):
            return []
        rows = self._session.rows(statements.SELECT_REACHED, prices)
        return [reached_row(row, self._loaded) for row in rows if row.id not in touched]

    def _trails_reached(self, reaches: Sequence[Reach], touched: set[str]) -> list[Ranked]:
        """Let trailing orders see quotes, and return those that the quotes trigger."""
        found: list[Ranked] = []
        for each in reaches:
            for trails, line, span in self._trails.follow(each, self.stage):
                rows = trails.search(line, span)
                orders = [self._loaded(row) for row in rows if row.id not in touched]
                found += [reached_order(order, self._as_it_is) for order in orders]
                if not orders:
                    self._pending.write()
                    trails.look_again(line, span, self.stage)
        return found

    def misses(self, symbol: str, bid: Price, ask: Price) -> bool:
        prices = self._resting.prices(symbol)
        return prices.misses(bid, ask) and self._trails.misses(symbol, bid, ask)

    def resting_prices(self, symbol: str) -> RestingPrices:
        return self._trails.widen(symbol, self._resting.prices(symbol))

    def next_expiry(self) -> Micros:
        return self._resting.expiry()

    def overdue_orders(self, now: Micros, limit: int) -> list[Order]:
        if now < self._resting.expiry():
            return []
        self._pending.write()
        if not self._session.has_any(statements.ANY_OVERDUE, {"now": now}):
            self._resting.look_for_expiry()
            return []
        given = {"now": now, "limit": limit}
        rows = self._session.found(statements.SELECT_OVERDUE, given)
        return list(self._current(rows).values())

    def _touched(self) -> Iterable[Order]:
        """Return the orders that are newer in this unit than in the database."""
        return [self._as_now(self._orders[name]) for name in self._pending.touched_orders]

    def _loaded(self, row: Any) -> Order:
        """Return the order of a row; this unit may have changed it since the row was read."""
        if row.id in self._decided:
            return self._as_it_is(row)
        return self._remember(row)

    def _as_it_is(self, known: Order | Any) -> Order:
        order = self.order(known.account_id, known.id)
        if order is None:
            raise BrokenInvariant(f"order {known.id} was read and is not stored")
        return order

    def _current(self, rows: Iterable[Any]) -> dict[str, Order]:
        """Return the orders of rows as this unit knows them."""
        found = map(self._loaded, rows)
        return {order.id: order for order in found}
