"""Exit prices: a take-profit lies above the price of its entry, a stop-loss below it."""

import pytest

from server.domain.errors import Reason
from server.domain.group_placing import refuse_new_price, refuse_prices
from server.domain.trading import Replacement
from server.domain.values import Price, parse_units
from tests.domain.scenario import Stage

BOTH = ("take_profit.limit_price", "stop_loss.stop_price")
TAKE, LOSS = (BOTH[0],), (BOTH[1],)


def stage(*, quoted: bool = True) -> Stage:
    found = Stage({}, [])
    if quoted:
        found.do("quote AAPL 99 x 500 / 100 x 500")
    return found


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        ("buy 1 AAPL take 101 loss 98", ()),
        ("buy 1 AAPL take 100 loss 98", TAKE),
        ("buy 1 AAPL take 101 loss 99", LOSS),
        ("buy 1 AAPL take 95 loss 96", BOTH),
        ("buy 1 AAPL limit 90 take 91 loss 89", ()),
        ("buy 1 AAPL limit 90 take 90", TAKE),
        ("buy 1 AAPL limit 90 loss 90", LOSS),
        ("buy 1 AAPL limit 200 take 101 loss 98", ()),
        ("buy 1 AAPL stop 110 take 111 loss 109", ()),
        ("buy 1 AAPL stop 110 take 105", TAKE),
        ("buy 1 AAPL stop 110 limit 112 take 111", TAKE),
        ("buy 1 AAPL stop 110 limit 112 loss 109", ()),
        ("buy 1 AAPL stop 90 limit 120 take 101 loss 98", ()),
        ("sell 1 AAPL take 100 loss 98", ()),
        ("sell 1 AAPL take 99 loss 98", TAKE),
        ("sell 1 AAPL take 100 loss 99", LOSS),
        ("sell 1 AAPL take 90 loss 95", BOTH),
        ("short 1 AAPL take 98 loss 101", ()),
        ("short 1 AAPL take 99 loss 101", TAKE),
        ("short 1 AAPL take 98 loss 100", LOSS),
        ("short 1 AAPL take 104 loss 103", BOTH),
        ("short 1 AAPL limit 110 take 109 loss 111", ()),
        ("short 1 AAPL limit 110 take 110", TAKE),
        ("short 1 AAPL limit 110 loss 110", LOSS),
        ("short 1 AAPL limit 50 take 98 loss 101", ()),
        ("short 1 AAPL limit 50 take 98 loss 100", LOSS),
        ("short 1 AAPL stop 90 take 89 loss 91", ()),
        ("short 1 AAPL stop 90 take 90", TAKE),
        ("short 1 AAPL stop 90 limit 88 take 88", TAKE),
        ("short 1 AAPL stop 90 limit 88 loss 91", ()),
        ("short 1 AAPL stop 110 limit 80 take 98 loss 101", ()),
        ("cover 1 AAPL take 99 loss 101", ()),
        ("cover 1 AAPL take 100 loss 101", TAKE),
        ("cover 1 AAPL take 99 loss 100", LOSS),
        ("cover 1 AAPL take 105 loss 101", BOTH),
    ],
)
def test_the_prices_of_exits_lie_on_both_sides(order: str, wrong: tuple[str, ...]) -> None:
    found = stage()

    refused = refuse_prices(found.ticket(order), found.book.market("AAPL"))

    assert (() if refused is None else tuple(it.field for it in refused.violations)) == wrong
    assert refused is None or refused.reason is Reason.EXIT_PRICE_INVALID


@pytest.mark.parametrize("is_open", [True, False])
def test_without_an_open_market_exits_are_compared_with_each_other_only(is_open: bool) -> None:
    found = stage(quoted=not is_open)
    found.book.is_open = is_open
    market = found.book.market("AAPL")

    assert refuse_prices(found.ticket("buy 1 AAPL take 90 loss 80"), market) is None
    assert refuse_prices(found.ticket("sell 1 AAPL take 90 loss 80"), market) is None
    assert refuse_prices(found.ticket("sell 1 AAPL take 80 loss 90"), market) is not None


@pytest.mark.parametrize(
    ("name", "limit", "stop", "field"),
    [
        ("a.take", "91", None, None),
        ("a.take", "85", None, "limit_price"),
        ("a.take", "90", None, "limit_price"),
        ("a.loss", None, "89", None),
        ("a.loss", None, "90", "stop_price"),
        ("a", "95", None, None),
        ("a", "110", None, None),
        ("a", "84", None, "limit_price"),
    ],
)
def test_a_replaced_price_keeps_its_side(
    name: str, limit: str | None, stop: str | None, field: str | None
) -> None:
    """A limit of 110 is above the ask: the entry would be bought at 100, below its take-profit."""
    found = stage()
    found.do("a: buy 10 AAPL limit 90 take 110 loss 85")
    book = found.book
    wanted = Replacement(
        limit_price=None if limit is None else Price(parse_units(limit)),
        stop_price=None if stop is None else Price(parse_units(stop)),
    )

    order = book.orders[name]
    refused = refuse_new_price(order, wanted, book.others(order), book.market("AAPL"))

    assert (None if refused is None else refused.violations[0].field) == field


def test_exits_that_act_are_compared_with_each_other_only() -> None:
    found = stage()
    found.do("a: buy 10 AAPL take 110 loss 85")
    book = found.book
    take = book.orders["a.take"]

    for price, is_refused in (("86", False), ("85", True)):
        wanted = Replacement(limit_price=Price(parse_units(price)))
        refused = refuse_new_price(take, wanted, book.others(take), book.market("AAPL"))
        assert (refused is not None) is is_refused
