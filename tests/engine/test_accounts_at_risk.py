"""Accounts at risk: what the engine knows of them agrees with the rows, whatever fails."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from server.application.margin_ports import Accrual
from server.config import DATABASE_FILE
from server.domain.account import Account, MarginMode, Position
from server.domain.order import THE_VENUE, Order, OrderStatus, Side
from server.domain.posting import Decision
from server.domain.trading import drafted
from server.domain.values import DAY, SCALE, Quantity, Units
from server.storage import statements
from server.storage.unit_of_work import SqlUnitOfWork
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs
from tests.engine.bench import Bench
from tests.support.venue import NOON, ManualClock


@contextmanager
def unit_of(bench: Bench) -> Iterator[SqlUnitOfWork]:
    with SqlUnitOfWork(bench.parts.writer) as unit:
        yield unit


def margin_account(unit: SqlUnitOfWork, account_id: str, balance: Units) -> Account:
    found = unit.account(account_id)
    return replace(found, margin_mode=MarginMode.MARGIN, balance=balance)


def holding(account: Account, symbol: str, quantity: Units) -> Decision:
    """Return the decision that an account holds something."""
    held = Position(account_id=account.id, symbol=symbol, quantity=Quantity(quantity))
    return Decision(account=account, positions={symbol: held})


def ordering(account: Account, status: OrderStatus, *, is_new: bool = False) -> Decision:
    """Return the decision that the venue's order has a status."""
    book = Book(deposit=0, costs=make_costs())
    wish = Wish(symbol="AAPL", side=Side.SELL, quantity=SCALE)
    order = drafted(book.ticket(wish), account, book.market("AAPL"), "order-1")
    placed: Order = replace(order, bot_key_id=THE_VENUE, status=status, sequence=2)
    return Decision(
        account=account,
        orders={"order-1": placed},
        new_orders=frozenset(["order-1"] if is_new else []),
    )


def test_loans_and_short_positions_are_known_before_and_after_a_start(
    bench: Bench, data_dir: Path
) -> None:
    names = [bench.account(name) for name in ("ada", "bob", "cyd", "dan")]
    with unit_of(bench) as unit:
        assert unit.accounts_at_risk() == []
        unit.keep(holding(margin_account(unit, names[0], -1), "AAPL", SCALE))
        unit.keep(holding(margin_account(unit, names[1], 0), "AAPL", SCALE))
        unit.keep(holding(margin_account(unit, names[2], 5), "AAPL", -1))
        unit.keep(holding(replace(unit.account(names[3]), balance=7), "AAPL", SCALE))
        assert unit.accounts_at_risk() == sorted([names[0], names[2]])
        unit.commit()
    bench.parts.close()

    again = Bench(data_dir, ManualClock(NOON))
    with unit_of(again) as unit:
        assert unit.accounts_at_risk() == sorted([names[0], names[2]])
        assert not any(map(unit.may_be_closing, names))
    again.parts.close()


def test_an_account_with_an_order_of_the_venue_is_known_until_that_ends(bench: Bench) -> None:
    name = bench.account("ada")
    with unit_of(bench) as unit:
        account = margin_account(unit, name, 5)
        unit.keep(ordering(account, OrderStatus.OPEN, is_new=True))
        assert unit.accounts_at_risk() == [name]
        assert unit.may_be_closing(name)
        unit.commit()
    bench.parts.writer.forget()
    with unit_of(bench) as unit:
        assert unit.may_be_closing(name), "the rows do not say so"
        unit.keep(ordering(account, OrderStatus.CANCELLED))
        assert unit.accounts_at_risk() == [name], "it stays until somebody looks"
        unit.note_risk(name, is_at_risk=False, is_closing=False)
        assert unit.accounts_at_risk() == []
        unit.commit()
    bench.parts.writer.forget()
    with unit_of(bench) as unit:
        assert unit.accounts_at_risk() == []


def test_a_unit_that_is_not_stored_takes_its_looks_back(bench: Bench) -> None:
    name = bench.account("ada")
    with unit_of(bench) as unit:
        unit.keep(holding(margin_account(unit, name, -1), "AAPL", SCALE))
        unit.commit()
    with unit_of(bench) as unit:
        unit.note_risk(name, is_at_risk=False, is_closing=False)
        assert unit.accounts_at_risk() == []

    with unit_of(bench) as unit:
        assert unit.accounts_at_risk() == [name]


def test_positions_of_several_accounts_are_those_that_count(bench: Bench) -> None:
    names = sorted(bench.account(name) for name in ("ada", "bob"))
    with unit_of(bench) as unit:
        account = margin_account(unit, names[0], 5)
        ordered = Position(account_id=names[0], symbol="SPY", open_buy_quantity=Quantity(SCALE))
        unit.keep(Decision(account=account, positions={"SPY": ordered}))
        unit.keep(holding(account, "MSFT", -SCALE))
        unit.keep(holding(account, "AAPL", 0))

        found = unit.positions_of_each(names)

    assert [it.symbol for it in found[names[0]]] == ["MSFT", "SPY"]
    assert found[names[1]] == []


def test_until_when_interest_is_charged_is_stored_for_each_clock(bench: Bench) -> None:
    bench.account("ada")
    with unit_of(bench) as unit:
        first, shards = Accrual(7 * DAY), range(unit._session.shards)
        assert unit.accruals("", first) == {first: [*shards]}
        unit.store_accrual("", Accrual(DAY), shards)
        unit.store_accrual("", Accrual(2 * DAY, 3 * DAY, "account"), shards)
        unit.store_accrual("digest", Accrual(5 * DAY), shards)
        unit.forget_unused_replay()
        unit.commit()

    with unit_of(bench) as unit:
        found = unit.accruals("", first), unit.accruals("digest", first)
        assert found[0] == {Accrual(2 * DAY, 3 * DAY, "account"): [*shards]}
        assert found[1] == {Accrual(5 * DAY): [*shards]}


@pytest.mark.sqlite_only
def test_accounts_at_risk_are_found_by_their_indexes(bench: Bench, data_dir: Path) -> None:
    """At the first question after a start, all accounts, positions and orders would be read."""
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statements.SELECT_AT_RISK.text}").fetchall()
    connection.close()

    steps = [str(step[3]) for step in plan if "accounts" in step[3] or "USING" in step[3]]
    for index in ("ix_accounts_loan", "ix_positions_short", "ix_orders_venue"):
        assert any(index in step for step in steps), plan
