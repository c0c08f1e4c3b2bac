"""Listings of a large account: a page searches a bounded number of rows, whatever it finds."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from server.application.listings import FillFilter, Found, OrderFilter
from server.domain.instrument import AssetType
from server.domain.order import OrderStatus
from server.domain.user import EVERYTHING, Permissions
from server.storage import listing_rows
from server.storage.database import open_readers
from server.storage.location import Location
from server.storage.queries import SqlReads
from tests.support.databases import opened, stored_in

ACCOUNT = "account"
SAME = {"account_id": ACCOUNT, "asset_type": "STOCK", "side": "BUY"}
ROWS = 500
LOOKED_AT = 50
STEPS_PER_ROW = 40
"""The most steps of SQLite's virtual machine for a row that is read twice."""


@pytest.fixture
def database(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """Return a database of one account: the oldest order is TSLA's, all others are AAPL's."""
    monkeypatch.setattr(listing_rows, "ROWS_LOOKED_AT_MAX", LOOKED_AT)
    orders, fills = [], []
    for number in range(1, ROWS + 1):
        symbol = "TSLA" if number == 1 else "AAPL"
        orders.append(
            dict(
                **SAME,
                sequence=2 * number,
                id=f"o{number}",
                symbol=symbol,
                status="OPEN" if number == 2 else "FILLED",
                live=number == 2,
                created_at=number,
                order_type="MARKET",
                time_in_force="GTC",
                quantity=1,
                filled_notional="0",
            )
        )
        fills.append(
            dict(
                **SAME,
                sequence=2 * number + 1,
                id=f"f{number}",
                symbol=symbol,
                order_id=f"o{number}",
                created_at=number,
                quantity=1,
                price=1,
            )
        )
    with opened(data_dir) as connection:
        connection.insert("accounts", {"id": ACCOUNT})
        connection.insert("orders", *orders)
        connection.insert("fills", *fills)
    return stored_in(data_dir)


@pytest.fixture
def reads(database: Location) -> Iterator[SqlReads]:
    opened = SqlReads(open_readers(database))
    yield opened
    opened.close()


def orders(**given: Any) -> OrderFilter:
    wanted = dict.fromkeys(("status", "symbol", "after", "until"))
    return OrderFilter(**{"account_id": ACCOUNT, "permissions": EVERYTHING, **wanted, **given})


def fills(**given: Any) -> FillFilter:
    wanted = dict.fromkeys(("symbol", "order_id", "after", "until"))
    return FillFilter(**{"account_id": ACCOUNT, "permissions": EVERYTHING, **wanted, **given})


def found(reads: SqlReads, wanted: OrderFilter | FillFilter, before: int | None) -> Found[Any]:
    """Return a page of ten."""
    if isinstance(wanted, OrderFilter):
        return reads.orders(wanted, before, 10)
    return reads.fills(wanted, before, 10)


def rows_of(reads: SqlReads, read: Callable[[], object]) -> float:
    """Return how many rows' worth of SQLite's steps a read takes at most."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 10
        return 0

    def watch(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_progress_handler(count, 10)

    event.listen(reads._engine, "checkout", watch)
    try:
        read()
    finally:
        event.remove(reads._engine, "checkout", watch)
    return steps / STEPS_PER_ROW


OTHERS = Permissions(symbols=("MSFT",))
CRYPTO = Permissions(asset_types=(AssetType.CRYPTO,))
FOUND_NOWHERE: dict[str, OrderFilter | FillFilter] = {
    "orders of a status": orders(status=OrderStatus.REJECTED),
    "live orders of a symbol": orders(status=OrderStatus.OPEN, symbol="MSFT"),
    "orders of a symbol": orders(symbol="MSFT"),
    "orders of a status and a symbol": orders(status=OrderStatus.REJECTED, symbol="AAPL"),
    "orders after a time": orders(after=ROWS),
    "orders until a time": orders(until=0),
    "orders for a key of other symbols": orders(permissions=OTHERS),
    "orders for a key of another type": orders(permissions=CRYPTO),
    "fills of a symbol": fills(symbol="MSFT"),
    "fills of an order": fills(order_id="none"),
    "fills after a time": fills(after=ROWS),
    "fills until a time": fills(until=0),
    "fills for a key of other symbols": fills(permissions=OTHERS),
    "fills for a key of another type": fills(permissions=CRYPTO),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("wanted", FOUND_NOWHERE.values(), ids=FOUND_NOWHERE)
def test_a_listing_that_finds_nothing_looks_at_so_many_rows(
    reads: SqlReads, wanted: OrderFilter | FillFilter
) -> None:
    assert rows_of(reads, lambda: found(reads, wanted, None)) <= LOOKED_AT
    assert rows_of(reads, lambda: found(reads, wanted, ROWS)) <= LOOKED_AT


@pytest.mark.sqlite_only
def test_live_orders_are_found_at_once_however_old_they_are(reads: SqlReads) -> None:
    page = reads.orders(orders(status=OrderStatus.OPEN), None, 10)

    assert [order.id for order in page.items] == ["o2"]
    assert page.looked_down_to is None
    assert rows_of(reads, lambda: reads.live_orders(ACCOUNT)) <= LOOKED_AT


@pytest.mark.parametrize("wanted", [orders(symbol="TSLA"), fills(symbol="TSLA")], ids=["o", "f"])
def test_pages_that_hold_nothing_lead_to_the_oldest_row(
    reads: SqlReads, wanted: OrderFilter | FillFilter
) -> None:
    pages = [found(reads, wanted, None)]
    while (edge := pages[-1].looked_down_to) is not None:
        pages.append(found(reads, wanted, edge))

    assert len(pages) == ROWS // LOOKED_AT
    assert [len(page.items) for page in pages] == [0] * (len(pages) - 1) + [1]


@pytest.mark.parametrize("wanted", [orders(symbol="AAPL"), fills(symbol="AAPL")], ids=["o", "f"])
@pytest.mark.parametrize("limit", [7, LOOKED_AT - 1, LOOKED_AT, LOOKED_AT + 1])
def test_pages_hold_every_row_once(
    reads: SqlReads, wanted: OrderFilter | FillFilter, limit: int
) -> None:
    ids: list[str] = []
    before: int | None = None
    while True:
        if isinstance(wanted, OrderFilter):
            page: Found[Any] = reads.orders(wanted, before, limit)
        else:
            page = reads.fills(wanted, before, limit)
        ids += [item.id for item in page.items]
        if len(page.items) == limit:
            before = page.items[-1].sequence
        elif page.looked_down_to is not None:
            before = page.looked_down_to
        else:
            break

    kind = ids[0][0]
    assert ids == [f"{kind}{number}" for number in range(ROWS, 1, -1)]
