"""Two strategies over the same recorded prices, and a table of what became of them.

`year.sh` beside this file starts a lock-step replay that waits for two bots, and runs this. For
a replay of your own, with --step-participants 2:

    export BOTTRADING_TOKEN=$(.venv/bin/bottrading token me --data-dir data-backtest)
    BOTTRADING_TARGET=127.0.0.1:50057 .venv/bin/python examples/backtest/compare.py AAPL

The clock of the replay stands while a strategy decides, and each run has the same result. A data
directory plays its file once: remove it before the next run.
"""

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from bottrading_client import Bar, BotTradingClient, KeyManagementClient, TradingKpi

FAST, SLOW = 10, 30
INVESTED = Decimal("0.95")
"""The part of the money to buy for; the rest is for a price that rises before the order fills."""
START_SECONDS_MAX = 60

Strategy = Callable[[BotTradingClient, str], None]


def buy_and_hold(client: BotTradingClient, symbol: str) -> None:
    """Buy at the first bar."""
    for number, bar in enumerate(client.replay("1d", symbol)):
        if number == 0:
            buy(client, bar)


def crossover(client: BotTradingClient, symbol: str) -> None:
    """Buy when a fast average of closes rises above a slow one, and sell when it falls below."""
    closes = deque[Decimal](maxlen=SLOW)
    is_in = False
    for bar in client.replay("1d", symbol):
        closes.append(bar.close)
        if len(closes) < SLOW:
            continue
        is_above = sum(list(closes)[-FAST:]) / FAST > sum(closes) / SLOW
        if is_above and not is_in:
            buy(client, bar)
        elif is_in and not is_above:
            client.close_position(symbol)
        is_in = is_above


def buy(client: BotTradingClient, bar: Bar) -> None:
    """Buy for most of the money; the order fills at the next price after the bar."""
    step = client.instruments(query=bar.symbol)[0].quantity_step
    money = client.account().buying_power * INVESTED
    client.place_order(bar.symbol, "BUY", money // (bar.close * step) * step)


STRATEGIES: dict[str, Strategy] = {"buy and hold": buy_and_hold, "crossover": crossover}


def played(strategy: Strategy, key: str, symbol: str) -> TradingKpi:
    """Let a strategy trade until the replay ends."""
    with BotTradingClient(key) as client:
        strategy(client, symbol)
        return client.kpi()


def main() -> None:
    symbol = sys.argv[1] if len(sys.argv) > 1 else "AAPL"
    with KeyManagementClient(timeout=START_SECONDS_MAX) as person:
        person.accounts()  # It waits until the service has started.
        # Each strategy has an account of its own.
        accounts = [person.open_account().bot_user_id for _ in STRATEGIES]
        keys = [person.create_key("backtest", account_id=account).key for account in accounts]
    with ThreadPoolExecutor() as pool:
        figures = list(pool.map(played, STRATEGIES.values(), keys, [symbol] * len(keys)))
    print(f"{symbol:14}{'return':>10}{'drawdown':>10}{'Sharpe':>8}{'trades':>8}")
    for name, kpi in zip(STRATEGIES, figures, strict=True):
        shown = (percent(kpi.total_return_pct), percent(kpi.max_drawdown), ratio(kpi.sharpe_ratio))
        print(f"{name:14}{shown[0]:>10}{shown[1]:>10}{shown[2]:>8}{kpi.total_trades:>8}")


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} %"


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
