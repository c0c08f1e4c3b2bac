"""Order states: the table is complete, and no other transition can happen."""

from dataclasses import replace
from itertools import product

import pytest

from server.domain.invariants import BrokenInvariant
from server.domain.order import (
    LIVE_STATUSES,
    TRANSITIONS,
    OrderStatus,
    OrderTicket,
    OrderType,
    OrderUpdateType,
    Side,
    TimeInForce,
)
from server.domain.order_types import PRICE_FIELDS, RULES
from server.domain.posting import ENDS
from server.domain.values import Price, Quantity, parse_units

TABLE = """
    before           | ACCEPTED | REJECTED | TRIGGERED | REPLACED         | PARTIALLY_FILLED | FILLED | CANCELLED | RELEASED
    -                | OPEN     | REJECTED | -         | -                | -                | -      | -         | -
    OPEN             | -        | -        | OPEN      | OPEN             | PARTIALLY_FILLED | FILLED | CANCELLED | OPEN
    PARTIALLY_FILLED | -        | -        | -         | PARTIALLY_FILLED | PARTIALLY_FILLED | FILLED | CANCELLED | -
    FILLED           | -        | -        | -         | -                | -                | -      | -         | -
    CANCELLED        | -        | -        | -         | -                | -                | -      | -         | -
    REJECTED         | -        | -        | -         | -                | -                | -      | -         | -
"""  # noqa: E501


def rows() -> dict[tuple[OrderStatus | None, OrderUpdateType], OrderStatus | None]:
    (_, *updates), *lines = (
        [cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()
    )
    return {
        (status_named(before), OrderUpdateType[update]): status_named(after)
        for before, *cells in lines
        for update, after in zip(updates, cells, strict=True)
    }


def status_named(name: str) -> OrderStatus | None:
    return None if name == "-" else OrderStatus[name]


def test_the_table_covers_every_status_and_update() -> None:
    assert set(rows()) == set(product([None, *OrderStatus], OrderUpdateType))


@pytest.mark.parametrize(("before", "update"), list(rows()))
def test_an_update_leads_where_the_table_says_or_is_a_bug(
    before: OrderStatus | None, update: OrderUpdateType
) -> None:
    after = rows()[before, update]
    if after is not None:
        assert TRANSITIONS[before, update] is after
        return
    with pytest.raises(BrokenInvariant, match="cannot be"):
        TRANSITIONS[before, update]


def test_a_status_is_live_exactly_when_something_can_follow() -> None:
    followed = {before for before, _ in TRANSITIONS}
    assert {status for status in OrderStatus if status.is_live} == followed - {None}
    assert set(LIVE_STATUSES) == followed - {None}


def test_the_updates_that_end_a_live_order_lead_out_of_the_live_ones() -> None:
    ending = {
        update
        for (before, update), after in TRANSITIONS.items()
        if before is not None and not after.is_live
    }
    assert set(ENDS) == ending


@pytest.mark.parametrize(
    ("order_type", "limit", "stop"),
    [
        (OrderType.MARKET, False, False),
        (OrderType.LIMIT, True, False),
        (OrderType.STOP, False, True),
        (OrderType.STOP_LIMIT, True, True),
    ],
)
def test_an_order_type_takes_the_prices_in_its_name(
    order_type: OrderType, limit: bool, stop: bool
) -> None:
    expected = {"limit_price": limit, "stop_price": stop}
    assert {name: name in RULES[order_type].prices for name in PRICE_FIELDS} == expected


def test_only_gtc_and_day_orders_rest() -> None:
    assert [tif.value for tif in TimeInForce if tif.rests] == ["GTC", "DAY"]


def test_equal_orders_have_equal_fingerprints_and_others_do_not() -> None:
    """The key and the client's id do not count: they do not say what is asked for."""
    ticket = OrderTicket(
        account_id="a",
        bot_key_id="k",
        symbol="AAPL",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Quantity(parse_units("10")),
        limit_price=Price(parse_units("185")),
        stop_price=None,
        time_in_force=TimeInForce.GTC,
        client_order_id="c",
    )
    same = replace(
        ticket,
        quantity=Quantity(parse_units("10.0")),
        limit_price=Price(parse_units("185.00")),
        bot_key_id="other",
    )
    assert same.fingerprint == ticket.fingerprint
    others = [
        replace(ticket, symbol="MSFT"),
        replace(ticket, side=Side.SELL),
        replace(ticket, order_type=OrderType.STOP_LIMIT, stop_price=Price(parse_units("1"))),
        replace(ticket, quantity=Quantity(parse_units("10.00000001"))),
        replace(ticket, limit_price=None),
        replace(ticket, limit_price=Price(parse_units("185.01"))),
        replace(ticket, time_in_force=TimeInForce.DAY),
    ]
    assert len({ticket.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1
