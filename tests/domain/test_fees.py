"""Fees: by asset type, with a minimum and a cap per order, whatever its number of fills."""

import pytest

from server.domain.costs import FEE_SCHEDULE, ScheduledFees
from server.domain.values import SCALE, Quantity, format_money, parse_units
from tests.domain.book import INSTRUMENTS
from tests.domain.scenario import play


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "fee"),
    [
        ("AAPL", "0.00000001", "100", "1.00"),
        ("AAPL", "200", "100", "1.00"),
        ("AAPL", "201", "100", "1.01"),
        ("SPY", "1999", "100", "10.00"),
        ("SPY", "1997.99999999", "100", "9.99"),
        ("AAPL", "1000000", "0.01", "10.00"),
        ("SPY", "1000000", "0.01", "10.00"),
        ("BTC-USD", "0.005", "92000", "0.50"),
        ("BTC-USD", "0.005", "100000", "0.50"),
        ("BTC-USD", "0.00500001", "100000", "0.51"),
        ("BTC-USD", "1000", "92000", "92000.00"),
        ("EUR-USD", "1000000", "1.16", "0.00"),
        ("GOLD", "1", "4000", "1.50"),
        ("GOLD", "7", "4000", "10.50"),
        ("CALL", "1", "0.01", "0.65"),
        ("CALL", "1000", "0.01", "650.00"),
    ],
)
def test_a_fee_follows_the_schedule_of_the_asset_type(
    symbol: str, quantity: str, price: str, fee: str
) -> None:
    units = parse_units(quantity)
    total = ScheduledFees(FEE_SCHEDULE).total(
        INSTRUMENTS[symbol], Quantity(units), units * parse_units(price)
    )
    assert format_money(total) == fee


def test_a_percentage_is_taken_of_the_money_that_moves() -> None:
    """Ten ounces a contract: the multiplier counts where a fee is a share of the notional."""
    rates = {INSTRUMENTS["GOLD"].asset_type: FEE_SCHEDULE[INSTRUMENTS["BTC-USD"].asset_type]}
    total = ScheduledFees(rates).total(
        INSTRUMENTS["GOLD"], Quantity(SCALE), SCALE * parse_units("4000")
    )
    assert format_money(total) == "40.00"


def test_the_minimum_is_charged_once_for_all_fills_of_an_order() -> None:
    """0.005 × 100, 200, 300 and 400 shares, at least 1.00: a fill pays what is new."""
    play("""
    given    | fees                        | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 100 | -
             | a: buy 400 AAPL limit 10    | a ACCEPTED
             |                             | a PARTIALLY_FILLED 100 at 10 fee 1.00
             | show a reserved             | reserved 3001.00
    10:00:01 | quote AAPL 9 x 1 / 10 x 100 | a PARTIALLY_FILLED 100 at 10
             | show a reserved             | reserved 2001.00
    10:00:02 | quote AAPL 9 x 1 / 10 x 100 | a PARTIALLY_FILLED 100 at 10 fee 0.50
             | show a reserved             | reserved 1000.50
    10:00:03 | quote AAPL 9 x 1 / 10 x 100 | a FILLED 100 at 10 fee 0.50
             | show a fees                 | fees 2.00
             | show account balance fees   | balance 95998.00, fees 2.00
    """)


def test_the_cap_is_reached_once_by_all_fills_of_an_order() -> None:
    play("""
    given    | fees                         | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 1900 | -
             | a: buy 3000 AAPL limit 10    | a ACCEPTED
             |                              | a PARTIALLY_FILLED 1900 at 10 fee 9.50
             | show a reserved              | reserved 11000.50
    10:00:01 | quote AAPL 9 x 1 / 10 x 1000 | a PARTIALLY_FILLED 1000 at 10 fee 0.50
    10:00:02 | quote AAPL 9 x 1 / 10 x 100  | a FILLED 100 at 10
             | show a fees                  | fees 10.00
    """)


def test_a_percentage_is_rounded_up_once_over_all_fills() -> None:
    """0.1 % of 368.00, 736.00 and 1 104.00: 0.50 at least, then 0.74 and 1.11 in all."""
    play("""
    given    | fees                                    | -
    10:00:00 | quote BTC-USD 91999 x 1 / 92000 x 0.004 | -
             | a: buy 0.012 BTC-USD limit 92000        | a ACCEPTED
             |                                         | a PARTIALLY_FILLED 0.004 at 92000 fee 0.50
             | show a reserved                         | reserved 736.61
    10:00:01 | quote BTC-USD 91999 x 1 / 92000 x 0.004 | a PARTIALLY_FILLED 0.004 at 92000 fee 0.24
    10:00:02 | quote BTC-USD 91999 x 1 / 92000 x 0.004 | a FILLED 0.004 at 92000 fee 0.37
             | show a fees                             | fees 1.11
    """)


def test_each_order_has_a_minimum_of_its_own() -> None:
    play("""
    given    | fees                         | -
    10:00:00 | quote SPY 9 x 100 / 10 x 100 | -
             | a: buy 1 SPY                 | a ACCEPTED
             |                              | a FILLED 1 at 10 fee 1.00
             | b: buy 1 SPY                 | b ACCEPTED
             |                              | b FILLED 1 at 10 fee 1.00
             | c: sell 2 SPY                | c ACCEPTED
             |                              | c FILLED 2 at 9 fee 1.00 pnl -5.00
    """)


def test_contracts_pay_per_contract_and_move_their_multiple() -> None:
    play("""
    given    | fees                             | -
    10:00:00 | quote CALL 1.40 x 10 / 1.50 x 10 | -
             | a: buy 2 CALL                    | a ACCEPTED
             |                                  | a FILLED 2 at 1.5 fee 1.30
             | show account balance             | balance 99698.70
             | show CALL quantity basis average | quantity 2, basis 300.00, average 1.5
             | b: sell 1 CALL                   | b ACCEPTED
             |                                  | b FILLED 1 at 1.4 fee 0.65 pnl -11.30
             | show account balance             | balance 99838.05
             | quote GOLD 3999 x 10 / 4000 x 10 | -
             | c: buy 2 GOLD                    | c ACCEPTED
             |                                  | c FILLED 2 at 4000 fee 3.00
             | show GOLD basis average          | basis 80000.00, average 4000
             | show account balance             | balance 19835.05
    """)


def test_a_sale_pays_at_most_what_it_brings() -> None:
    """0.40 of 1.00 are charged at first; the next fill of the order catches up."""
    play("""
    given    | balance 100, fees                 | -
    10:00:00 | quote AAPL 0.80 x 0.5 / 1.00 x 10 | -
             | a: buy 4 AAPL                     | a ACCEPTED
             |                                   | a FILLED 4 at 1 fee 1.00
             | b: sell 2 AAPL                    | b ACCEPTED
             |                                   | b PARTIALLY_FILLED 0.5 at 0.8 fee 0.40 pnl -0.625
             | show account balance              | balance 95.00
    10:00:01 | quote AAPL 0.80 x 9 / 1.00 x 10   | b FILLED 1.5 at 0.8 fee 0.60 pnl -1.275
             | show account balance              | balance 95.60
             | c: sell 0.01 AAPL                 | c ACCEPTED
             |                                   | c FILLED 0.01 at 0.8 pnl -0.0125
             | d: sell 1 AAPL                    | d ACCEPTED
             |                                   | d FILLED 1 at 0.8 fee 0.80 pnl -1.25
             | show account balance              | balance 95.60
    """)
