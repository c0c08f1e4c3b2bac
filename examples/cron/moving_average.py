"""A strategy without AI, for cron: buy when a fast average crosses above a slow one, sell below.

    export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_TARGET, unless it is 127.0.0.1:50051
    .venv/bin/python examples/cron/moving_average.py AAPL

    # crontab -e: five minutes after every hour
    BOTTRADING_BOT_KEY=tvt_…
    5 * * * * cd /path/to/bottrading && .venv/bin/python examples/cron/moving_average.py AAPL

It remembers nothing: what it holds is read from the portfolio, and an order is named after the bar
that it acts on, so that a run that is repeated for the same bar places nothing new.
"""

import argparse
from collections.abc import Sequence
from decimal import Decimal

from bottrading_client import BotTradingClient


def main() -> None:
    parser = argparse.ArgumentParser(description="Trade the crossing of two moving averages.")
    parser.add_argument("symbol")
    parser.add_argument("--interval", default="1H", choices=("1M", "5M", "15M", "1H", "1D"))
    parser.add_argument("--fast", type=int, default=5, help="bars of the fast average")
    parser.add_argument("--slow", type=int, default=20, help="bars of the slow average")
    parser.add_argument("--quantity", type=Decimal, default=Decimal(10))
    given = parser.parse_args()

    with BotTradingClient() as client:
        bars = [bar for bar in client.bars(given.symbol, given.interval) if bar.complete]
        if len(bars) < given.slow + 1:
            print(f"{len(bars)} of {given.slow + 1} bars: nothing to say yet")
            return
        closes = [bar.close for bar in bars]
        held = [
            position.quantity - position.reserved_quantity
            for position in client.portfolio().positions
            if position.symbol == given.symbol
        ]
        above, was_above = (
            average(closes[:end], given.fast) > average(closes[:end], given.slow)
            for end in (len(closes), len(closes) - 1)
        )
        if above and not was_above and not held:
            side, quantity = "BUY", given.quantity
        elif was_above and not above and held:
            side, quantity = "SELL", held[0]
        else:
            print(f"{given.symbol}: no crossing, {'held' if held else 'not held'}")
            return
        order = client.place_order(
            given.symbol, side, quantity,
            client_order_id=f"ma-{given.symbol}-{given.interval}-{bars[-1].start:%Y%m%dT%H%M}",
        )  # fmt: skip
        print(order.side, order.quantity, order.symbol, order.status, order.filled_price)


def average(closes: Sequence[Decimal], count: int) -> Decimal:
    """Return the mean of the newest closes."""
    return sum(closes[-count:], Decimal(0)) / count


if __name__ == "__main__":
    main()
