"""A strategy without AI, for cron: buy when a fast average crosses above a slow one, sell below.

    export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_TARGET, unless it is 127.0.0.1:50051
    .venv/bin/python examples/cron/moving_average.py AAPL

    # crontab -e: five minutes after every hour
    BOTTRADING_BOT_KEY=tvt_…
    5 * * * * cd /path/to/bottrading && .venv/bin/python examples/cron/moving_average.py AAPL

It stores nothing: it reads what it holds from the portfolio. It derives the id of an order from the
bar that it acts on, so that a second run for the same bar places nothing new. It acts only on the
newest complete bar: let it run at least once for each bar.
"""

import argparse
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from bottrading_client import BotTradingClient

LENGTHS = {
    "1M": timedelta(minutes=1),
    "5M": timedelta(minutes=5),
    "15M": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    "1D": timedelta(days=1),
}
BARS_MAX = 999  # The service lists bars over at most 1 000 intervals.


def main() -> None:
    parser = argparse.ArgumentParser(description="Trade the crossing of two moving averages.")
    parser.add_argument("symbol")
    parser.add_argument("--interval", default="1H", choices=LENGTHS)
    parser.add_argument("--fast", type=int, default=5, help="bars of the fast average")
    parser.add_argument("--slow", type=int, default=20, help="bars of the slow average")
    parser.add_argument("--quantity", type=Decimal, default=Decimal(10))
    given = parser.parse_args()
    if not 1 <= given.fast < given.slow:
        parser.error("--fast must be from 1 to less than --slow")

    with BotTradingClient() as client:
        start = client.clock().time - BARS_MAX * LENGTHS[given.interval]
        listed = client.bars(given.symbol, given.interval, start=start)
        bars = [bar for bar in listed if bar.complete]
        if len(bars) < given.slow + 1:
            print(f"{len(bars)} of {given.slow + 1} bars: nothing to say yet")
            return
        symbol = bars[-1].symbol  # As the service spells it, whatever was typed.
        closes = [bar.close for bar in bars]
        above, was_above = (
            average(closes[:end], given.fast) > average(closes[:end], given.slow)
            for end in (len(closes), len(closes) - 1)
        )
        held = free = Decimal(0)
        for position in client.portfolio().positions:
            if position.symbol == symbol:
                held, free = position.quantity, position.quantity - position.reserved_quantity
        if above and not was_above and not held:
            side, quantity = "BUY", given.quantity
        elif was_above and not above and free:
            side, quantity = "SELL", free
        else:
            print(f"{symbol}: nothing to do, {'held' if held else 'not held'}")
            return
        order = client.place_order(
            symbol,
            side,
            quantity,
            client_order_id=f"ma-{symbol}-{given.interval}-{bars[-1].start:%Y%m%dT%H%M}",
        )
        came_of_it = order.rejection_reason or order.filled_price
        print(order.side, order.quantity, order.symbol, order.status, came_of_it)


def average(closes: Sequence[Decimal], count: int) -> Decimal:
    """Return the mean of the newest closes."""
    return sum(closes[-count:], Decimal(0)) / count


if __name__ == "__main__":
    main()
