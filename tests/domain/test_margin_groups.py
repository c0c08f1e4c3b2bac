"""Groups on margin: an entry that sells, its exits that buy, and what a position leaves of them."""

import pytest

from server.domain.changes import changed
from server.domain.errors import Reason, Refusal
from server.domain.group_placing import refuse_group
from server.domain.values import Price, parse_units
from tests.domain.book import make_quote
from tests.domain.scenario import Stage, play


def test_a_short_bracket_ends_at_its_take_profit() -> None:
    # 100 x (99 - 90) are earned; 100 x 90 x 50 % were bound while it was short.
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | a: short 100 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 100 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | show AAPL quantity average     | quantity -100, average 99
                 | show AAPL basis held buys      | basis -9900.00, held 0, buys 100
                 | show account balance live      | balance 19900.00, live 2
        10:00:01 | quote AAPL 89 x 500 / 90 x 500 | a.take FILLED 100 at 90 pnl 900.00
                 |                                | a.loss CANCELLED SIBLING_FILLED
                 | show AAPL quantity basis held buys | quantity 0, basis 0.00, held 0, buys 0
                 | show account balance pnl live  | balance 10900.00, pnl 900.00, live 0
                 | show trades closed wins profit | closed 1, wins 1, profit 900.00
    """)


def test_a_gap_through_the_stop_loss_of_a_short_fills_at_the_ask() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | a: short 100 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 100 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
        10:00:01 | quote AAPL 119 x 500 / 120 x 500 | a.loss TRIGGERED
                 |                                | a.loss FILLED 100 at 120 pnl -2100.00
                 |                                | a.take CANCELLED SIBLING_FILLED
                 | show account balance pnl       | balance 7900.00, pnl -2100.00
                 | show trades closed loss        | closed 1, loss 2100.00
    """)


def test_exits_follow_a_short_entry_that_fills_in_parts() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 40 / 100 x 500 | -
                 | a: short 100 AAPL limit 99 take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a PARTIALLY_FILLED 40 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | show a.take quantity held      | quantity 40, held no
                 | show AAPL quantity held buys   | quantity -40, held 60, buys 40
        10:00:01 | quote AAPL 99 x 30 / 100 x 500 | a PARTIALLY_FILLED 30 at 99
                 |                                | a.take REPLACED
                 |                                | a.loss REPLACED
                 | show a.loss quantity           | quantity 70
        10:00:02 | quote AAPL 89 x 30 / 90 x 20   | a.take PARTIALLY_FILLED 20 at 90 pnl 180.00
                 |                                | a CANCELLED EXIT_FILLED
                 |                                | a.loss REPLACED
                 | show a.loss quantity           | quantity 50
                 | show AAPL quantity held buys   | quantity -50, held 0, buys 50
                 | cancel a.take                  | a.take CANCELLED REQUESTED
                 | show AAPL quantity held buys   | quantity -50, held 0, buys 50
                 | cancel a.loss                  | a.loss CANCELLED REQUESTED
                 | show AAPL quantity held buys   | quantity -50, held 0, buys 0
    """)


def test_a_short_entry_that_ends_without_a_fill_ends_its_exits() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 40 / 100 x 500 | -
                 | a: short 100 AAPL limit 110 DAY take 90 loss 115 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 | replace a quantity 120         | a REPLACED
                 |                                | a.take REPLACED
                 |                                | a.loss REPLACED
                 | show AAPL quantity held buys   | quantity 0, held 120, buys 0
                 | b: short 10 AAPL limit 110 take 90 | b ACCEPTED
                 |                                | b.take ACCEPTED
                 | cancel b                       | b CANCELLED REQUESTED
                 |                                | b.take CANCELLED ENTRY_ENDED
        1d 00:00:00 | expire                      | a CANCELLED EXPIRED_DAY
                 |                                | a.take CANCELLED ENTRY_ENDED
                 |                                | a.loss CANCELLED ENTRY_ENDED
                 | show AAPL quantity held buys   | quantity 0, held 0, buys 0
    """)


def test_the_exits_of_a_short_entry_expire_one_by_one() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 40 / 100 x 500 | -
                 | a: short 10 AAPL take 90:DAY loss 115 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 10 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
        1d 00:00:00 | expire                      | a.take CANCELLED EXPIRED_DAY
                 | show AAPL quantity buys        | quantity -10, buys 10
        90d 10:00:00 | expire                     | a.loss CANCELLED EXPIRED_GTC
                 | show AAPL quantity buys        | quantity -10, buys 0
    """)


def test_exits_are_for_what_an_entry_opens_beyond_a_long_position() -> None:
    # 50 are held: of the 80 sold, 50 close them and 30 open a short.
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | l: buy 50 AAPL                 | l ACCEPTED
                 |                                | l FILLED 50 at 100
        10:00:01 | quote AAPL 99 x 30 / 100 x 500 | -
                 | a: short 80 AAPL limit 99 take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a PARTIALLY_FILLED 30 at 99 pnl -30.00
                 | show a.take quantity held      | quantity 80, held yes
                 | show AAPL quantity held buys   | quantity 20, held 50, buys 0
        10:00:02 | quote AAPL 99 x 45 / 100 x 500 | a PARTIALLY_FILLED 45 at 99 pnl -20.00
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | show a.take quantity held      | quantity 25, held no
        10:00:03 | quote AAPL 99 x 45 / 100 x 500 | a FILLED 5 at 99
                 |                                | a.take REPLACED
                 |                                | a.loss REPLACED
                 | show AAPL quantity held buys average | quantity -30, held 0, buys 30, average 99
        10:00:04 | quote AAPL 89 x 45 / 90 x 500  | a.take FILLED 30 at 90 pnl 270.00
                 |                                | a.loss CANCELLED SIBLING_FILLED
                 | show AAPL quantity held buys   | quantity 0, held 0, buys 0
                 | show trades closed             | closed 2
    """)


def test_the_exits_of_an_entry_that_only_reduces_end_with_it() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | l: buy 50 AAPL                 | l ACCEPTED
                 |                                | l FILLED 50 at 100
                 | a: short 40 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 40 at 99 pnl -40.00
                 |                                | a.take CANCELLED ENTRY_ENDED
                 |                                | a.loss CANCELLED ENTRY_ENDED
                 | show AAPL quantity held buys   | quantity 10, held 0, buys 0
    """)


def test_two_exits_of_a_short_position_count_once() -> None:
    # 100 short at 99, 100 to buy: the larger of |-100 + 100| and |-100| is 100 x 99 x 50 %.
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 99 x 500 | -
                 | s: sell 100 AAPL               | s ACCEPTED
                 |                                | s FILLED 100 at 99
                 | a: cover 100 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.loss ACCEPTED
                 | show AAPL held buys            | held 0, buys 100
                 | show margin margin free        | margin 4950.00, free 5050.00
                 | b: cover 60 AAPL take 91 loss 104 | b ACCEPTED
                 |                                | b.loss ACCEPTED
                 | show AAPL held buys            | held 0, buys 160
                 | show margin margin             | margin 4950.00
        10:00:01 | quote AAPL 90 x 500 / 90 x 500 | b FILLED 60 at 90 pnl 540.00
                 |                                | b.loss CANCELLED SIBLING_FILLED
                 |                                | a REPLACED
                 |                                | a.loss REPLACED
                 |                                | a FILLED 40 at 90 pnl 360.00
                 |                                | a.loss CANCELLED SIBLING_FILLED
                 | show AAPL quantity buys        | quantity 0, buys 0
    """)


def test_exits_shrink_with_the_position_that_another_order_reduces() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | a: short 100 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 100 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | b: buy 60 AAPL                 | b ACCEPTED
                 |                                | b FILLED 60 at 100 pnl -60.00
                 |                                | a.take REPLACED
                 |                                | a.loss REPLACED
                 | show a.take quantity           | quantity 40
                 | show a.loss quantity           | quantity 40
                 | show AAPL quantity buys        | quantity -40, buys 40
                 | c: buy 50 AAPL                 | c ACCEPTED
                 |                                | c FILLED 50 at 100 pnl -40.00
                 |                                | a.take CANCELLED POSITION_CLOSED
                 |                                | a.loss CANCELLED POSITION_CLOSED
                 | show AAPL quantity buys        | quantity 10, buys 0
    """)


def test_closing_a_short_position_ends_its_bracket() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | a: short 100 AAPL take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 100 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | c: close 30 AAPL               | a.loss REPLACED
                 |                                | a.take REPLACED
                 |                                | c ACCEPTED
                 |                                | c FILLED 30 at 100 pnl -30.00
                 | show AAPL quantity buys        | quantity -70, buys 70
                 | d: close AAPL                  | a.loss CANCELLED POSITION_CLOSED
                 |                                | a.take CANCELLED POSITION_CLOSED
                 |                                | d ACCEPTED
                 |                                | d FILLED 70 at 100 pnl -70.00
                 | show AAPL quantity buys        | quantity 0, buys 0
    """)


def test_an_entry_ends_with_the_exits_that_a_closed_position_ends() -> None:
    """What it sold later would have no exit."""
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 40 / 100 x 500 | -
                 | a: short 100 AAPL limit 99 take 90 loss 105 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a PARTIALLY_FILLED 40 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | b: buy 40 AAPL                 | b ACCEPTED
                 |                                | b FILLED 40 at 100 pnl -40.00
                 |                                | a CANCELLED POSITION_CLOSED
                 |                                | a.take CANCELLED POSITION_CLOSED
                 |                                | a.loss CANCELLED POSITION_CLOSED
                 | show AAPL quantity held buys   | quantity 0, held 0, buys 0
                 | show account live              | live 0
    """)


@pytest.mark.parametrize(
    ("held", "group"),
    [
        ("sell 100 AAPL", "cover 100.00000001 AAPL take 90 loss 105"),
        ("sell 100 AAPL", "sell 1 AAPL take 110 loss 90"),
        ("buy 100 AAPL", "cover 1 AAPL take 90 loss 105"),
        ("buy 100 AAPL", "sell 100.00000001 AAPL take 110 loss 90"),
    ],
)
def test_two_exits_close_no_more_than_there_is(held: str, group: str) -> None:
    """An OCO only reduces, so what exceeds the position would never fill."""
    play(f"""
        given    | margin                         | -
        10:00:00 | quote AAPL 99 x 500 / 99 x 500 | -
                 | s: {held}                      | s ACCEPTED
                 |                                | s FILLED 100 at 99
                 | a: {group}                     | a REJECTED INSUFFICIENT_POSITION
    """)


def test_closing_a_position_ends_the_entry_that_holds_it() -> None:
    """An entry of the other side closes the position before it opens one, so it holds it."""
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
                 | s: sell 10 AAPL                | s ACCEPTED
                 |                                | s FILLED 10 at 99
                 | a: buy 7 AAPL limit 95 take 110 loss 90 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 | b: close 3 AAPL                | b ACCEPTED
                 |                                | b FILLED 3 at 100 pnl -3.00
                 | c: close 5 AAPL                | a CANCELLED POSITION_CLOSED
                 |                                | a.take CANCELLED ENTRY_ENDED
                 |                                | a.loss CANCELLED ENTRY_ENDED
                 |                                | c ACCEPTED
                 |                                | c FILLED 5 at 100 pnl -5.00
                 | show AAPL quantity held buys   | quantity -2, held 0, buys 0
                 | show account live              | live 0
    """)


def test_a_bracket_on_margin_is_bought_with_borrowed_money() -> None:
    # Of 10 000 only half of 19 800 is bound; the exits bind nothing more.
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 99 x 500 | -
                 | a: buy 200 AAPL take 110 loss 95 | a ACCEPTED
                 |                                | a.take ACCEPTED
                 |                                | a.loss ACCEPTED
                 |                                | a FILLED 200 at 99
                 |                                | a.take RELEASED
                 |                                | a.loss RELEASED
                 | show margin margin free loan   | margin 9900.00, free 100.00, loan 9800.00
                 | b: buy 3 AAPL take 110 loss 95 | b REJECTED INSUFFICIENT_BUYING_POWER
        10:00:01 | quote AAPL 110 x 500 / 110 x 500 | a.take FILLED 200 at 110 pnl 2200.00
                 |                                | a.loss CANCELLED SIBLING_FILLED
                 | show account balance           | balance 12200.00
    """)


def test_a_reducing_account_takes_exits_and_no_entry() -> None:
    play("""
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 99 x 500 / 99 x 500 | -
                 | s: sell 50 AAPL                | s ACCEPTED
                 |                                | s FILLED 50 at 99
                 | state REDUCING                 | -
                 | a: short 1 AAPL take 90        | a REJECTED TRADING_HALTED
                 | b: cover 50 AAPL take 90 loss 105 | b ACCEPTED
                 |                                | b.loss ACCEPTED
    """)


@pytest.mark.parametrize(
    ("rises_to", "fills"), [(None, True), ("104.99", True), ("105", False), ("120", False)]
)
def test_in_a_bar_that_reaches_both_prices_a_short_takes_its_stop(
    rises_to: str | None, fills: bool
) -> None:
    stage = Stage({"margin": ""}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do("a: short 10 AAPL take 90 loss 105")
    quote = make_quote("AAPL", "88", "500", "89", "500", time=stage.book.now, sequence=1)
    highest = None if rises_to is None else Price(parse_units(rises_to))

    events = stage.book.show(changed(quote, rises_to=highest))

    assert isinstance(events, tuple)
    told = [(event.order.id, event.type.value) for event in events]
    assert told == ([("a.take", "FILLED"), ("a.loss", "CANCELLED")] if fills else [])


def test_a_reset_ends_the_groups_of_a_margin_account() -> None:
    stage = Stage({"margin": ""}, [])
    stage.do("quote AAPL 99 x 40 / 100 x 500")
    stage.do("a: short 100 AAPL limit 99 take 90 loss 105")

    stage.book.reset(parse_units("1000"))

    assert not stage.book.live_orders
    assert stage.book.position("AAPL").quantity == 0
    reasons = {it.status_reason.value for it in stage.book.orders.values() if it.status_reason}
    assert reasons == {"ACCOUNT_RESET"}


@pytest.mark.parametrize("order", ["short 1 {} take 90 loss 105", "cover 1 {} take 90 loss 105"])
def test_a_group_begins_with_a_sale_on_margin_only(order: str) -> None:
    cash, margin = Stage({}, []), Stage({"margin": ""}, [])
    for stage in (cash, margin):
        for symbol in ("AAPL", "BTC-USD"):
            stage.do(f"quote {symbol} 99 x 500 / 100 x 500")

    def refused(stage: Stage, symbol: str) -> Refusal | None:
        market = stage.book.market(symbol)
        return refuse_group(stage.ticket(order.format(symbol)), stage.book.account, market)

    assert refused(margin, "AAPL") is None
    for stage, symbol in ((cash, "AAPL"), (margin, "BTC-USD")):
        found = refused(stage, symbol)
        assert found is not None
        assert [(it.field, it.reason) for it in found.violations] == [
            ("side", Reason.FIELD_INVALID)
        ]
