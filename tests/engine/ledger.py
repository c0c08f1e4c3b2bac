"""A ledger of one account: compares the database file with an auditor's own book."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from server.application.margin import Marks, margin_book
from server.domain.account import Account, Position
from server.domain.events import AccountUpdated, Event, OrderUpdated
from server.domain.order import Order, PlacedBy
from server.domain.quote import Quote
from server.domain.values import SECOND, Micros, Units
from server.storage import mapping
from server.wire import answers
from tests.domain.auditor import Auditor
from tests.domain.group_auditor import ENDED
from tests.domain.naive_money import real
from tests.support import databases
from tests.support.databases import Opened

STALE_AFTER: Micros = 15 * SECOND
AHEAD_MAX: Micros = 5 * SECOND


def connect(data_dir: Path) -> Opened:
    """Open a second connection to an engine's database."""
    return databases.connect(data_dir, named=True)


class StoredBook:
    """The account, positions and orders of one account as the database file has them."""

    def __init__(self, connection: Opened, account_id: str) -> None:
        self.connection, self.account_id = connection, account_id
        self.now: Micros = 0
        self.is_open = True
        self.account: Account
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, Order] = {}
        self.read_account()

    def position(self, symbol: str) -> Position:
        """Return a position, an empty one when there is none."""
        return self.positions.get(symbol) or Position(account_id=self.account_id, symbol=symbol)

    def read_account(self) -> None:
        """Read the account and its positions again."""
        (row,) = self._rows("SELECT * FROM accounts WHERE id = ?", self.account_id)
        self.account = mapping.account_from(row)
        rows = self._rows("SELECT * FROM positions WHERE account_id = ?", self.account_id)
        self.positions = {row.symbol: mapping.position_from(row) for row in rows}

    def read_orders(self) -> None:
        """Read all orders again."""
        rows = self._rows("SELECT * FROM orders WHERE account_id = ?", self.account_id)
        self.orders = {row.id: mapping.order_from(row) for row in rows}

    def read_order(self, order_id: str) -> Order:
        """Read one order again."""
        (row,) = self._rows("SELECT * FROM orders WHERE id = ?", order_id)
        return mapping.order_from(row)

    def fills(self) -> list[Any]:
        """Return the values of all fills, in the order of their events."""
        rows = self._rows(
            "SELECT * FROM fills WHERE account_id = ? ORDER BY sequence", self.account_id
        )
        return [mapping.fill_from(row) for row in rows]

    def log(self) -> list[tuple[int, bytes]]:
        """Return the numbers and payloads of all events."""
        rows = self._rows(
            "SELECT sequence, payload FROM events WHERE account_id = ? ORDER BY sequence",
            self.account_id,
        )
        return [(row.sequence, row.payload) for row in rows]

    def _rows(self, query: str, parameter: str) -> list[Any]:
        return self.connection.execute(query, (parameter,)).fetchall()


class Ledger:
    """An auditor that gets quotes and events, and compares them with the stored data."""

    def __init__(self, connection: Opened, account_id: str, *, fees: bool) -> None:
        self.book = StoredBook(connection, account_id)
        book: Any = self.book
        self.auditor = Auditor(book, fees=fees, shows_trails=False, slippage=fees)
        self.events: list[Event] = []
        self.live: dict[str, Order] = {}
        self.fresh: set[str] = set()
        self._touched: set[str] = set()
        self._is_touched = False

    def hear_quote(self, quote: Quote, now: Micros) -> None:
        """Record a quote, and whether orders may fill against it now."""
        self.fresh.add(quote.symbol)
        self.book.now = now
        self.auditor.hear_quote(quote)

    def hear(self, event: Event, now: Micros) -> None:
        """Add up an event; nothing may fill against a stale quote."""
        self.book.now = now
        self.events.append(event)
        self._is_touched = True
        if isinstance(event, AccountUpdated):
            self.auditor.hear_account(event)
            return
        if event.fill is not None or event.type.value == "TRIGGERED":
            assert self.is_fresh(event.order.symbol, now), "executed on a stale quote"
        self.auditor.hear(event)
        self._touched.add(event.order.id)
        self._follow(event)

    def is_fresh(self, symbol: str, now: Micros) -> bool:
        """Tell whether the newest quote of a symbol comes from this run and is fresh."""
        if symbol not in self.fresh:
            return False
        return -AHEAD_MAX <= now - self.auditor.quotes[symbol].time <= STALE_AFTER

    def check_nothing_waits(self, symbol: str, now: Micros, step: Units) -> None:
        """Check that every order that the newest quote reaches was matched against it."""
        if self.is_fresh(symbol, now) and any(it.symbol == symbol for it in self.live.values()):
            self.auditor.check_nothing_waits_in_vain(symbol, step)

    def check_margin_call(self, now: Micros) -> None:
        """Check that the venue closes everything if equity is below the maintenance margin.

        It waits for fresh prices of all positions, and looks only at loans and short positions.
        """
        heard = self.auditor
        held = [symbol for symbol, units in heard.quantities.items() if units]
        owes = heard.balance < 0 or any(heard.quantities[symbol] < 0 for symbol in held)
        if not (heard.margin.is_margin and owes and all(self.is_fresh(it, now) for it in held)):
            return
        figures = heard.margin.figures(heard.balance)
        if figures.equity >= figures.maintenance:
            return
        closing = {it.symbol for it in self.live.values() if it.placed_by is PlacedBy.VENUE}
        assert closing >= set(held), "no margin call though equity is below maintenance"

    def compare_margin(self, marks: Marks, now: Micros) -> None:
        """Compare the margin that the service calculates from the stored positions."""
        if self.auditor.margin.is_margin:
            positions, orders = list(self.book.positions.values()), list(self.live.values())
            book = margin_book(
                positions, marks, now, lambda symbol: (it for it in orders if it.symbol == symbol)
            )
            self.auditor.margin.compare(book, self.book.account, self.auditor.balance)

    def compare_touched(self) -> bool:
        """Compare the changes of the newest events with the stored data; tell whether any came."""
        if not self._is_touched:
            return False
        book, heard = self.book, self.auditor
        book.read_account()
        account, live = book.account, list(self.live.values())
        assert account.sequence == heard.sequence
        assert real(account.balance) == heard.balance, "events do not make the stored balance"
        assert real(account.deposits) == heard.deposit, "other money came in"
        assert (account.resets, account.fills) == (heard.resets, heard.fill_count)
        assert account.reserved == sum(order.reserved for order in live), "wrongly reserved"
        assert account.reserved <= account.balance or heard.margin.is_margin
        assert account.live_orders == len(live)
        assert real(account.realized_pnl) == heard.realized
        for order_id in self._touched:
            assert book.read_order(order_id) == heard.orders[order_id], "another order is stored"
        heard.compare_positions()
        self._touched.clear()
        self._is_touched = False
        return True

    def compare_everything(self) -> None:
        """Compare all stored data with the events, and the log byte by byte."""
        self.book.read_account()
        self.book.read_orders()
        self.auditor.compare()
        assert self.book.fills() == list(_fills(self.events)), "other fills are stored"
        encoded = [
            (event.sequence, answers.event(event).SerializeToString()) for event in self.events
        ]
        assert self.book.log() == encoded, "the log is not what was decided"

    def restart(
        self, known: Mapping[str, Quote], stored: Mapping[str, Order], *, stay_fresh: bool
    ) -> None:
        """Record what a new engine knows; without `stay_fresh`, only newer quotes fill orders.

        `known` are the quotes that the new engine values positions with: those of the last second
        can be missing. `stored` are the orders that trail, with the best prices that it knows.
        """
        self.auditor.quotes.clear()
        self.auditor.quotes.update(known)
        if not stay_fresh:
            self.fresh.clear()
            self.auditor.stale.update(known)
        for name, order in stored.items():
            if order.account_id == self.book.account_id:
                self.auditor.trails.rewind(name, order)

    def _follow(self, event: OrderUpdated) -> None:
        if event.order.status.value in ENDED:
            self.live.pop(event.order.id, None)
        else:
            self.live[event.order.id] = event.order


def _fills(events: Iterable[Event]) -> Iterable[Any]:
    for event in events:
        if isinstance(event, OrderUpdated) and event.fill is not None:
            yield event.fill
