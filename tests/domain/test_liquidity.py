"""Liquidity: an account takes the displayed size of each quote at most once."""

from dataclasses import replace

import pytest

from server.domain.account import Position
from server.domain.matching import has_seen_later, is_used_up, reach
from server.domain.order import Side
from server.domain.quote import Quote
from server.domain.values import Price, Quantity, parse_units
from tests.domain.book import INSTRUMENTS, make_costs
from tests.domain.scenario import play


def test_what_is_taken_of_a_quote_is_gone_until_the_next() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | a: buy 6 AAPL                  | a ACCEPTED
             |                                | a FILLED 6 at 100
             | b: buy 6 AAPL                  | b ACCEPTED
             |                                | b PARTIALLY_FILLED 4 at 100
             | c: buy 6 AAPL limit 100        | c ACCEPTED
             | d: buy 6 AAPL limit 100 IOC    | d ACCEPTED
             |                                | d CANCELLED IOC_REMAINDER
    10:00:01 | quote AAPL 99 x 300 / 100 x 7  | b FILLED 2 at 100
             |                                | c PARTIALLY_FILLED 5 at 100
             | e: buy 1 AAPL limit 100 IOC    | e ACCEPTED
             |                                | e CANCELLED IOC_REMAINDER
    """)


def test_the_sides_of_a_quote_are_used_up_apart() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 4 / 100 x 10 | -
             | a: buy 10 AAPL               | a ACCEPTED
             |                              | a FILLED 10 at 100
             | b: sell 4 AAPL IOC           | b ACCEPTED
             |                              | b FILLED 4 at 99 pnl -4.00
             | c: sell 4 AAPL IOC           | c ACCEPTED
             |                              | c CANCELLED IOC_REMAINDER
    """)


def test_the_same_quote_sent_again_does_not_refill() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 number 1 | -
             | a: buy 15 AAPL                          | a ACCEPTED
             |                                         | a PARTIALLY_FILLED 10 at 100
             | quote AAPL 99 x 300 / 100 x 10 number 1 | refused DUPLICATE
             | quote AAPL 99 x 300 / 100 x 3 number 2  | a PARTIALLY_FILLED 3 at 100
             | quote AAPL 99 x 300 / 100 x 10 number 1 | refused OUT_OF_DATE
             | show a filled                           | filled 13
    """)


def test_each_symbol_has_sizes_of_its_own() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | quote SPY 99 x 300 / 100 x 10  | -
             | a: buy 10 AAPL                 | a ACCEPTED
             |                                | a FILLED 10 at 100
             | b: buy 10 SPY                  | b ACCEPTED
             |                                | b FILLED 10 at 100
    """)


def test_displayed_sizes_are_floored_to_the_step() -> None:
    """Currencies trade in whole units; 999.7 on the offer fill 999, the 0.7 nobody can take."""
    play("""
    10:00:00 | quote EUR-USD 1.15 x 999.7 / 1.16 x 999.7  | -
             | a: buy 2000 EUR-USD                        | a ACCEPTED
             |                                            | a PARTIALLY_FILLED 999 at 1.16
             | b: buy 1 EUR-USD IOC                       | b ACCEPTED
             |                                            | b CANCELLED IOC_REMAINDER
             | c: sell 999 EUR-USD limit 1.15             | c ACCEPTED
             |                                            | c FILLED 999 at 1.15 pnl -9.99
    10:00:01 | quote EUR-USD 1.15 x 999.7 / 1.16 x 0.9    | -
             | show a filled                              | filled 999
    10:00:02 | quote EUR-USD 1.15 x 999.7 / 1.16 x 5000.9 | a FILLED 1001 at 1.16
    """)


def test_a_new_quote_is_whole_again_for_an_order_that_arrives() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10 | -
             | a: buy 10 AAPL                 | a ACCEPTED
             |                                | a FILLED 10 at 100
    10:00:01 | quote AAPL 99 x 300 / 100 x 10 | -
             | b: buy 10 AAPL FOK             | b ACCEPTED
             |                                | b FILLED 10 at 100
    """)


def test_where_sizes_do_not_count_one_quote_may_be_taken_any_number_of_times() -> None:
    """What was taken of it has no bound then, and must still fit what is stored."""
    turns = "\n".join(
        f"""
             | b{turn}: buy 9999999999 DUST  | b{turn} ACCEPTED
             |                               | b{turn} FILLED 9999999999 at 0.00000001
             | s{turn}: sell 9999999999 DUST | s{turn} ACCEPTED
             |                               | s{turn} FILLED 9999999999 at 0.00000001 pnl -0.01
        """
        for turn in range(12)
    )
    lines = [line for line in turns.splitlines() if line.strip()]
    quote = "10:00:00 | quote DUST 0.00000001 x 1 / 0.00000001 x 1 | -"
    book = play("\n".join(["given | no sizes | -", quote, *lines]))
    assert book.account.fills == 24


QUOTE = Quote(
    symbol="AAPL",
    bid=Price(parse_units("99")),
    bid_size=Quantity(parse_units("5")),
    ask=Price(parse_units("100")),
    ask_size=Quantity(parse_units("3")),
    last=Price(parse_units("99")),
    time=10,
    sequence=7,
)
SHARE, COSTS = INSTRUMENTS["AAPL"], make_costs()


@pytest.mark.parametrize(
    ("bid_size", "ask_size", "takers"),
    [
        ("5", "3", ("99", "100")),
        ("0", "3", (None, "100")),
        ("5", "0", ("99", None)),
        ("0", "0", (None, None)),
    ],
)
def test_a_side_that_shows_nothing_reaches_nobody_who_takes_of_it(
    bid_size: str, ask_size: str, takers: tuple[str | None, str | None]
) -> None:
    quote = replace(
        QUOTE, bid_size=Quantity(parse_units(bid_size)), ask_size=Quantity(parse_units(ask_size))
    )
    found = reach(quote, SHARE, COSTS)

    assert (found.symbol, found.bid, found.ask) == ("AAPL", QUOTE.bid, QUOTE.ask)
    wanted = tuple(price and parse_units(price) for price in takers)
    assert (found.takers_bid, found.takers_ask) == wanted


@pytest.mark.parametrize(
    ("side", "bid_taken", "ask_taken", "time", "used_up"),
    [
        (Side.BUY, "0", "3", 10, True),
        (Side.BUY, "5", "2.9", 10, False),
        (Side.SELL, "5", "0", 10, True),
        (Side.SELL, "4.9", "3", 10, False),
        (Side.BUY, "0", "3", 9, False),
    ],
)
def test_a_side_is_used_up_once_all_that_this_quote_shows_is_taken(
    side: Side, bid_taken: str, ask_taken: str, time: int, used_up: bool
) -> None:
    position = Position(
        account_id="a",
        symbol="AAPL",
        quote_time=time,
        quote_sequence=7,
        bid_taken=Quantity(parse_units(bid_taken)),
        ask_taken=Quantity(parse_units(ask_taken)),
    )

    assert is_used_up(side, position, QUOTE, SHARE, COSTS) is used_up


@pytest.mark.parametrize(
    ("time", "sequence", "later"), [(10, 7, False), (10, 8, True), (11, 0, True), (9, 9, False)]
)
def test_a_position_knows_whether_it_is_past_a_quote(time: int, sequence: int, later: bool) -> None:
    position = Position(account_id="a", symbol="AAPL", quote_time=time, quote_sequence=sequence)

    assert has_seen_later(position, QUOTE) is later
