"""Stop-losses that trail: held until the entry fills, then behind the best bid since."""

import pytest

from server.domain.changes import changed
from server.domain.group_placing import refuse_new_price, refuse_prices
from server.domain.trading import Replacement
from server.domain.values import Price, Quantity, parse_units
from tests.domain.book import make_quote
from tests.domain.scenario import Stage, play


def test_a_bracket_whose_stop_follows_a_rise_sells_in_the_fall() -> None:
    """Bought for 1000.00, sold for 1040.00; the fees are 1.00 each, so 38.00 are won."""
    play("""
        given    | fees                            | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL take 130 loss -5 | a ACCEPTED
                 |                                 | a.take ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100 fee 1.00
                 |                                 | a.take RELEASED
                 |                                 | a.loss RELEASED
                 | show a.loss stop                | stop 94
                 | show AAPL quantity held         | quantity 10, held 10
        10:00:02 | quote AAPL 110 x 9 / 111 x 500  | -
                 | show a.loss stop                | stop 105
        10:00:03 | quote AAPL 106 x 9 / 107 x 500  | -
                 | show a.loss stop                | stop 105
        10:00:04 | quote AAPL 104 x 99 / 105 x 500 | a.loss TRIGGERED
                 |                                 | a.loss FILLED 10 at 104 fee 1.00 pnl 38.00
                 |                                 | a.take CANCELLED SIBLING_FILLED
                 | show AAPL quantity held         | quantity 0, held 0
                 | show account balance live       | balance 100038.00, live 0
    """)


def test_a_held_exit_does_not_trail() -> None:
    """The bid of 120 was before the position was there, so it moves nothing."""
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500   | -
        10:00:01 | a: buy 10 AAPL limit 90 loss -10% | a ACCEPTED
                 |                                   | a.loss ACCEPTED
                 | show a.loss stop held             | stop -, held yes
        10:00:02 | quote AAPL 120 x 500 / 121 x 500  | -
                 | show a.loss stop                  | stop -
        10:00:03 | quote AAPL 88 x 500 / 90 x 500    | a FILLED 10 at 90
                 |                                   | a.loss RELEASED
                 | show a.loss stop                  | stop 79.2
        10:00:04 | quote AAPL 100 x 500 / 101 x 500  | -
                 | show a.loss stop                  | stop 90
        10:00:05 | quote AAPL 90 x 500 / 91 x 500    | a.loss TRIGGERED
                 |                                   | a.loss FILLED 10 at 90 pnl 0.00
    """)


def test_a_gap_after_the_entry_triggers_the_stop() -> None:
    """The trail begins at the quote of the fill: the jump from 99 to 80 is more than it allows."""
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL loss -5          | a ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100
                 |                                 | a.loss RELEASED
        10:00:02 | quote AAPL 80 x 500 / 81 x 500  | a.loss TRIGGERED
                 |                                 | a.loss FILLED 10 at 80 pnl -200.00
                 | show a.loss stop                | stop 94
    """)


def test_a_trail_that_triggers_ends_the_rest_of_its_entry_and_triggers_once() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 6             | -
        10:00:01 | a: buy 10 AAPL limit 100 take 120 loss -5 | a ACCEPTED
                 |                                           | a.take ACCEPTED
                 |                                           | a.loss ACCEPTED
                 |                                           | a PARTIALLY_FILLED 6 at 100
                 |                                           | a.take RELEASED
                 |                                           | a.loss RELEASED
        10:00:02 | quote AAPL 101 x 500 / 102 x 6            | -
                 | show a.loss stop quantity                 | stop 96, quantity 6
        10:00:03 | quote AAPL 99.5 x 500 / 100 x 2           | a PARTIALLY_FILLED 2 at 100
                 |                                           | a.take REPLACED
                 |                                           | a.loss REPLACED
                 | show a.loss stop quantity                 | stop 96, quantity 8
        10:00:04 | quote AAPL 96 x 3 / 101 x 500             | a.loss TRIGGERED
                 |                                           | a.loss PARTIALLY_FILLED 3 at 96 pnl -12.00
                 |                                           | a CANCELLED EXIT_FILLED
                 |                                           | a.take REPLACED
        10:00:05 | quote AAPL 119 x 1 / 120 x 500            | a.loss PARTIALLY_FILLED 1 at 119 pnl 19.00
                 |                                           | a.take REPLACED
                 | show a.loss stop                          | stop 96
                 | show AAPL quantity held                   | quantity 4, held 4
    """)  # noqa: E501


def test_an_oco_trails_from_its_acceptance() -> None:
    play("""
        10:00:00 | quote AAPL 100 x 500 / 101 x 500 | -
        10:00:01 | b: buy 10 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 10 at 101
                 | a: sell 10 AAPL take 120 loss -5 | a ACCEPTED
                 |                                  | a.loss ACCEPTED
                 | show a.loss stop held            | stop 95, held no
        10:00:02 | quote AAPL 110 x 500 / 111 x 500 | -
        10:00:03 | quote AAPL 105 x 4 / 106 x 500   | a.loss TRIGGERED
                 |                                  | a.loss PARTIALLY_FILLED 4 at 105 pnl 16.00
                 |                                  | a REPLACED
                 | cancel a.loss                    | a.loss CANCELLED REQUESTED
                 | show AAPL quantity held          | quantity 6, held 6
        10:00:04 | quote AAPL 120 x 500 / 121 x 500 | a FILLED 6 at 120 pnl 114.00
    """)


def test_a_take_profit_ends_its_trail() -> None:
    play("""
        10:00:00 | quote AAPL 100 x 500 / 101 x 500 | -
        10:00:01 | a: buy 10 AAPL take 110 loss -5% | a ACCEPTED
                 |                                  | a.take ACCEPTED
                 |                                  | a.loss ACCEPTED
                 |                                  | a FILLED 10 at 101
                 |                                  | a.take RELEASED
                 |                                  | a.loss RELEASED
        10:00:02 | quote AAPL 110 x 500 / 111 x 500 | a.take FILLED 10 at 110 pnl 90.00
                 |                                  | a.loss CANCELLED SIBLING_FILLED
                 | show a.loss stop                 | stop 104.5
        10:00:03 | quote AAPL 50 x 500 / 51 x 500   | -
    """)


def test_only_quotes_of_open_sessions_move_or_trigger_a_trailing_exit() -> None:
    play("""
        10:00:00 | quote AAPL 100 x 500 / 101 x 500 | -
                 | close                            | -
                 | a: buy 10 AAPL loss -5           | a ACCEPTED
                 |                                  | a.loss ACCEPTED
        10:00:01 | quote AAPL 150 x 500 / 151 x 500 | -
                 | open                             | -
        10:00:02 | quote AAPL 100 x 500 / 101 x 500 | a FILLED 10 at 101
                 |                                  | a.loss RELEASED
                 | show a.loss stop                 | stop 95
                 | close                            | -
        10:00:03 | quote AAPL 150 x 500 / 151 x 500 | -
        10:00:04 | quote AAPL 90 x 500 / 91 x 500   | -
                 | show a.loss stop triggered       | stop 95, triggered -
                 | open                             | -
        10:00:05 | quote AAPL 94 x 500 / 95 x 500   | a.loss TRIGGERED
                 |                                  | a.loss FILLED 10 at 94 pnl -70.00
    """)


def test_a_replaced_trail_of_an_exit_keeps_its_group() -> None:
    """While it is held there is no best bid yet; then the new stop counts from the one so far."""
    play("""
        10:00:00 | quote AAPL 100 x 500 / 101 x 500        | -
        10:00:01 | a: buy 10 AAPL limit 90 take 140 loss -5 | a ACCEPTED
                 |                                         | a.take ACCEPTED
                 |                                         | a.loss ACCEPTED
                 | replace a.loss trail 10%                | a.loss REPLACED
                 | show a.loss stop held                   | stop -, held yes
                 | replace a quantity 8                    | a REPLACED
                 |                                         | a.take REPLACED
                 |                                         | a.loss REPLACED
        10:00:02 | quote AAPL 89 x 500 / 90 x 500          | a FILLED 8 at 90
                 |                                         | a.take RELEASED
                 |                                         | a.loss RELEASED
                 | show a.loss stop                        | stop 80.1
        10:00:03 | quote AAPL 120 x 500 / 121 x 500        | -
        10:00:04 | quote AAPL 115 x 500 / 116 x 500        | -
                 | replace a.loss trail 6                  | a.loss REPLACED
                 | show a.loss stop                        | stop 114
                 | show AAPL held                          | held 8
                 | replace a.loss trail 5                  | a.loss REPLACED
                 |                                         | a.loss TRIGGERED
                 |                                         | a.loss FILLED 8 at 115 pnl 200.00
                 |                                         | a.take CANCELLED SIBLING_FILLED
    """)


def test_a_trailing_exit_ends_with_its_entry_its_day_and_its_position() -> None:
    play("""
        10:00:00    | quote AAPL 100 x 500 / 101 x 500       | -
        10:00:01    | a: buy 10 AAPL limit 90 loss -5        | a ACCEPTED
                    |                                        | a.loss ACCEPTED
                    | cancel a                               | a CANCELLED REQUESTED
                    |                                        | a.loss CANCELLED ENTRY_ENDED
                    | b: buy 10 AAPL take 120 loss -5%:DAY   | b ACCEPTED
                    |                                        | b.take ACCEPTED
                    |                                        | b.loss ACCEPTED
                    |                                        | b FILLED 10 at 101
                    |                                        | b.take RELEASED
                    |                                        | b.loss RELEASED
        1d 00:00:00 | expire                                 | b.loss CANCELLED EXPIRED_DAY
                    | show AAPL held                         | held 10
        1d 10:00:00 | quote AAPL 100 x 500 / 101 x 500       | -
                    | c: buy 10 AAPL loss -5                 | c ACCEPTED
                    |                                        | c.loss ACCEPTED
                    |                                        | c FILLED 10 at 101
                    |                                        | c.loss RELEASED
        1d 10:00:01 | quote AAPL 105 x 500 / 106 x 500       | -
                    | d: close 5 AAPL                        | c.loss REPLACED
                    |                                        | d ACCEPTED
                    |                                        | d FILLED 5 at 105 pnl 20.00
                    | show c.loss stop quantity              | stop 100, quantity 5
                    | e: close AAPL                          | c.loss CANCELLED POSITION_CLOSED
                    |                                        | b.take CANCELLED POSITION_CLOSED
                    |                                        | e ACCEPTED
                    |                                        | e FILLED 15 at 105 pnl 60.00
    """)


def test_a_held_trail_needs_no_quote() -> None:
    """Its entry waits for its own price, and the trail begins with the fill."""
    play("""
        10:00:00 | a: buy 10 AAPL limit 90 take 99 loss -5 | a ACCEPTED
                 |                                         | a.take ACCEPTED
                 |                                         | a.loss ACCEPTED
        10:00:01 | quote AAPL 89 x 500 / 90 x 500          | a FILLED 10 at 90
                 |                                         | a.take RELEASED
                 |                                         | a.loss RELEASED
                 | show a.loss stop                        | stop 84
        10:00:20 | b: sell 10 AAPL take 99 loss -5         | b REJECTED INSUFFICIENT_POSITION
    """)


def test_a_preview_shows_where_the_trail_begins() -> None:
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")

    filled = stage.book.preview(stage.wish("buy 10 AAPL take 110 loss -5"))
    waiting = stage.book.preview(stage.wish("buy 10 AAPL limit 90 loss -5"))

    assert [leg.stop_price for leg in filled.legs] == [None, parse_units("94")]
    assert [(leg.stop_price, leg.is_held) for leg in waiting.legs] == [(None, True)]


@pytest.mark.parametrize(
    ("falls_to", "sells"),
    [("105.01", True), ("105", False), ("104", False), ("80", False)],
)
def test_in_a_bar_a_trail_is_taken_only_if_it_can_be_reached_before_the_take_profit(
    falls_to: str, sells: bool
) -> None:
    """Before the bar reached 110, the stop was at most at 105; only behind 120 it is at 115."""
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do("a: buy 10 AAPL take 110 loss -5")
    quote = make_quote("AAPL", "120", "500", "121", "500", time=stage.book.now, sequence=1)

    events = stage.book.show(changed(quote, falls_to=Price(parse_units(falls_to))))

    assert isinstance(events, tuple)
    told = [(event.order.id, event.type.value) for event in events]
    assert told == ([("a.take", "FILLED"), ("a.loss", "CANCELLED")] if sells else [])


def test_in_a_bar_a_trail_that_saw_a_better_bid_counts_from_that_one() -> None:
    """There was no size at 130, so the take-profit waited; the stop is at 125 since."""
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do("a: buy 10 AAPL take 110 loss -5")
    stage.do("quote AAPL 130 x 0 / 131 x 0 number 1")
    quote = make_quote("AAPL", "126", "500", "127", "500", time=stage.book.now, sequence=2)

    assert stage.book.show(changed(quote, falls_to=Price(parse_units("124")))) == ()


@pytest.mark.parametrize(
    "order",
    [
        "buy 1 AAPL take 101 loss -99",
        "buy 1 AAPL limit 90 take 91 loss -1%",
        "buy 1 AAPL trail 5 take 101 loss 98",
        "sell 1 AAPL take 100 loss -1",
    ],
)
def test_a_stop_that_follows_the_market_is_compared_with_nothing(order: str) -> None:
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")

    assert refuse_prices(stage.ticket(order), stage.book.market("AAPL")) is None


@pytest.mark.parametrize(
    ("order", "name", "wanted"),
    [
        # The stop has followed a bid without a size past the take-profit.
        ("buy 10 AAPL take 110 loss -5", "a.take", Replacement(limit_price=Price(111 * 10**8))),
        ("buy 10 AAPL take 110 loss -5", "a.loss", Replacement(trail_amount=Price(10**8))),
        # The stop of the entry is above the take-profit, as it was when both were placed.
        ("buy 10 AAPL trail 55 take 120 loss 90", "a", Replacement(quantity=Quantity(10**8))),
        ("buy 10 AAPL trail 55 take 120 loss 9", "a.loss", Replacement(stop_price=Price(10**9))),
    ],
)
def test_replacing_is_not_refused_for_where_a_trail_has_moved(
    order: str, name: str, wanted: Replacement
) -> None:
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do(f"a: {order}")
    stage.do("quote AAPL 130 x 0 / 131 x 0 number 1")
    book = stage.book
    before = book.orders[name]

    assert refuse_new_price(before, wanted, book.others(before), book.market("AAPL")) is None
