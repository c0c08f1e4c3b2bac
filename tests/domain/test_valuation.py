"""Valuation: what positions are worth with, without and after a quote."""

from dataclasses import replace

from server.domain.account import Position
from server.domain.quote import Quote
from server.domain.valuation import ValuedPosition, total_equity, total_unrealized_pnl, value
from server.domain.values import SCALE, Quantity, format_money, format_units, parse_units
from tests.domain.book import INSTRUMENTS, make_quote


def held(quantity: str, cost: str, symbol: str = "AAPL") -> Position:
    return Position(
        account_id="account",
        symbol=symbol,
        quantity=Quantity(parse_units(quantity)),
        cost_basis=parse_units(cost),
    )


def quoted(last: str, symbol: str = "AAPL") -> Quote:
    return make_quote(symbol, "0.00000001", "1", "9999999", "1", last=last, time=0)


def valued(quantity: str, cost: str, last: str, symbol: str = "AAPL") -> ValuedPosition:
    quote = quoted(last, symbol)
    return value(held(quantity, cost, symbol), INSTRUMENTS[symbol], quote, fresh=True)


def test_a_position_is_worth_its_quantity_at_the_mark() -> None:
    position = valued("10", "1855", "187")
    assert format_units(position.market_value) == "1870.00000000"
    assert position.current_price == parse_units("187")
    assert format_money(position.unrealized_pnl) == "15.00"
    assert format_money(position.unrealized_pnl_percent) == "0.81"


def test_a_short_position_gains_when_its_price_falls() -> None:
    short = held("10", "1855")
    short = replace(short, quantity=Quantity(-short.quantity), cost_basis=-short.cost_basis)
    position = value(short, INSTRUMENTS["AAPL"], quoted("184"), fresh=True)
    assert format_units(position.market_value) == "-1840.00000000"
    assert format_money(position.unrealized_pnl) == "15.00"
    assert format_money(position.unrealized_pnl_percent) == "0.81"


def test_the_mark_stays_within_bid_and_ask() -> None:
    quote = make_quote("AAPL", "99", "1", "100", "1", last="5000", time=0)
    position = value(held("2", "150"), INSTRUMENTS["AAPL"], quote, fresh=True)
    assert (position.current_price, position.market_value) == (100 * SCALE, 200 * SCALE)


def test_a_contract_is_worth_its_multiple() -> None:
    assert format_units(valued("3", "450", "1.25", "CALL").market_value) == "375.00000000"
    assert format_money(valued("3", "450", "1.25", "CALL").unrealized_pnl_percent) == "-16.67"


def test_after_a_stale_quote_a_position_keeps_its_last_worth_but_shows_no_price() -> None:
    position = value(held("10", "1855"), INSTRUMENTS["AAPL"], quoted("187"), fresh=False)
    assert position.current_price is None
    assert position.market_value == parse_units("1870")


def test_without_any_quote_a_position_is_worth_its_cost() -> None:
    position = value(held("10", "1855"), INSTRUMENTS["AAPL"], None, fresh=False)
    assert (position.current_price, position.market_value) == (None, parse_units("1855"))
    assert (position.unrealized_pnl, position.unrealized_pnl_percent) == (0, 0)


def test_a_market_value_has_eight_decimals_rounded_to_the_even_one() -> None:
    assert valued("0.5", "1", "0.00000001").market_value == 0
    assert valued("1.5", "1", "0.00000001").market_value == 2
    assert valued("2.5", "1", "0.00000001").market_value == 2
    assert valued("0.33333333", "1", "0.1").market_value == 3333333


def test_equity_and_gain_are_rounded_once_over_all_positions() -> None:
    """Three times 0.004 are 0.012: each alone would be nothing."""
    positions = [valued("1", "7", "7.004")] * 3
    assert [position.unrealized_pnl for position in positions] == [0, 0, 0]
    assert format_money(total_unrealized_pnl(positions)) == "0.01"
    assert format_money(total_equity(parse_units("100"), positions)) == "121.01"
    assert total_equity(parse_units("100"), []) == parse_units("100")


def test_half_a_cent_of_equity_goes_to_the_even_cent() -> None:
    assert format_money(total_equity(0, [valued("1", "0", "0.005")])) == "0.00"
    assert format_money(total_equity(0, [valued("1", "0", "0.015")])) == "0.02"


def test_what_has_no_cost_left_has_no_gain_in_percent() -> None:
    """What costs less than 8 decimals show leaves nothing to divide by."""
    position = valued("0.1", "0", "5")
    assert format_money(position.unrealized_pnl) == "0.50"
    assert position.unrealized_pnl_percent == 0
