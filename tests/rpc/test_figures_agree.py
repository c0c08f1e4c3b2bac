"""Portfolio, history, KPIs and leaderboard agree, whatever was traded before.

Random histories on real venues: quotes, trades, money that comes in, resets, and days that pass.
Some accounts are margin accounts, which can be short, owe money, and lose everything.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bottrading.v1 import account_pb2, leaderboard_pb2, order_update_pb2, portfolio_pb2
from server.config import DATABASE_FILE
from tests.support.accounts import account_of, deposit, id_of, manage
from tests.support.audit import audit
from tests.support.venue import Bot, Venue

NAMES = ("ada", "bob", "cyd")
SYMBOLS = ("AAPL", "MGC", "BTC-USD")
CENT = Decimal("0.01")
INITIAL = Decimal(100_000)
READERS, READS, TRADES = 3, 40, 40

bots = st.integers(0, len(NAMES) - 1)
symbols = st.sampled_from(SYMBOLS)
trades = st.tuples(
    st.just("trade"), bots, symbols, st.sampled_from(("BUY", "BUY", "SELL")), st.integers(1, 30)
)
large_trades = st.tuples(
    st.just("trade"),
    bots,
    st.just("AAPL"),
    st.sampled_from(("BUY", "SELL")),
    st.integers(500, 1_900),
)
shocks = st.tuples(st.just("quote"), st.just("AAPL"), st.sampled_from((300, 700, 1_400, 2_600)))
prices = st.tuples(st.just("quote"), symbols, st.integers(900, 1_100))
changes = st.one_of(
    st.tuples(st.just("deposit"), bots, st.integers(1, 10**7)),
    st.tuples(st.just("reset"), bots),
    st.tuples(st.just("mode"), bots, st.sampled_from(("CASH", "MARGIN"))),
    st.tuples(st.just("wait"), st.sampled_from((1, 900, 3_600, 86_400, 800_000))),
)
steps = st.lists(
    st.one_of(trades, prices, trades, changes, large_trades, shocks), min_size=5, max_size=40
)
SQUEEZE = [
    ("trade", 0, "AAPL", "SELL", 1_500),
    ("trade", 1, "AAPL", "BUY", 700),
    ("trade", 2, "MGC", "BUY", 3),
    ("quote", "AAPL", 2_600),
]
"""The first bot loses more than it has; the venue looks at it when time passes."""

modes = st.lists(st.booleans(), min_size=len(NAMES), max_size=len(NAMES))


async def quote(venue: Venue, symbol: str, tenths: int) -> None:
    price = str(Decimal(tenths) / 10)
    await venue.publish(symbol, price, price, size="100000")


async def take(venue: Venue, owned: list[Bot], step: tuple[Any, ...]) -> None:
    """Do one random operation; an order may be rejected."""
    match step:
        case "trade", number, symbol, side, quantity:
            await owned[number].place(symbol, side, str(quantity))
        case "quote", symbol, tenths:
            await quote(venue, symbol, tenths)
        case "deposit", number, cents:
            await deposit(venue, await id_of(owned[number]), str(cents * CENT))
        case "reset", number:
            person = venue.person(NAMES[number])
            await manage(person, "ResetAccount", account_id=await id_of(owned[number]))
        case "mode", number, mode:
            with suppress(grpc.aio.AioRpcError):  # Its loan or live orders do not allow it.
                await set_mode(owned[number], NAMES[number], mode)
        case "wait", seconds:
            venue.pass_time(seconds=seconds)
            for symbol in SYMBOLS:
                await quote(venue, symbol, 1_000)


async def set_mode(bot: Bot, name: str, mode: str) -> None:
    fields = {"account_id": await id_of(bot), "margin_mode": f"MARGIN_MODE_{mode}"}
    await manage(bot.venue.person(name), "SetMarginMode", **fields)


async def check_history(bot: Bot) -> None:
    """Every curve ends with the portfolio's equity, and the whole one has all deposits."""
    equity = (await bot.portfolio()).total_equity
    account = await account_of(bot)
    sums = set()
    for period, interval in product(
        portfolio_pb2.HistoryPeriod.values()[1:], portfolio_pb2.HistoryInterval.values()[1:]
    ):
        found = await bot.call("GetPortfolioHistory", period=period, interval=interval)
        times = [point.time.ToMicroseconds() for point in found.points]
        assert times == sorted(set(times))
        assert found.points[-1].equity == equity
        if period == portfolio_pb2.HISTORY_PERIOD_ALL:
            assert found.points[0].time == account.epoch_began_at
            sums.add(sum(Decimal(point.deposits) for point in found.points))
    assert len(sums) == 1
    kpi = (await bot.call("GetTradingKpi")).kpi
    if sums == {INITIAL}:
        growth = 100 * (max(Decimal(equity), Decimal(0)) / INITIAL - 1)
        is_bankrupt = kpi.total_return_pct == -100
        assert is_bankrupt or kpi.total_return_pct == pytest.approx(
            float(growth), rel=1e-9, abs=1e-12
        )
    assert kpi.max_drawdown >= max(0, -kpi.total_return_pct) - 1e-9


async def pages(bot: Bot, period: int, limit: int) -> tuple[list[Any], Any]:
    """Read the whole leaderboard page by page; the own row and the total are on every one."""
    entries: list[Any] = []
    owns, token = [], ""
    while True:
        page = await bot.call("GetLeaderboard", period=period, limit=limit, page_token=token)
        entries += page.entries
        owns.append((page.own_entry, page.HasField("own_entry"), page.rank_total))
        token = page.next_page_token
        if not token:
            assert all(own == owns[0] for own in owns)
            return entries, page


async def check_ranks(owned: list[Bot], limit: int) -> None:
    for period in leaderboard_pb2.LeaderboardPeriod.values()[1:]:
        for bot, name in zip(owned, NAMES, strict=True):
            entries, page = await pages(bot, period, limit)
            returns = [entry.return_pct for entry in entries]
            assert returns == sorted(returns, reverse=True)
            assert [entry.rank for entry in entries] == [1 + returns.index(it) for it in returns]
            assert len({entry.display_name for entry in entries}) == len(entries)
            assert page.rank_total == len(entries)
            own = [entry for entry in entries if entry.own]
            assert own == [entry for entry in entries if entry.display_name == name]
            assert len({entry.margin_mode for entry in entries}) <= 1
            assert own == ([page.own_entry] if page.HasField("own_entry") else [])
            if period == leaderboard_pb2.LEADERBOARD_PERIOD_ALL:
                await check_own(bot, own, page.rank_total)


async def had_margin_mode(bot: Bot) -> bool:
    """Tell from the log whether the account was a MARGIN account in its epoch."""
    account_id = await id_of(bot)
    connection = sqlite3.connect(bot.venue.settings.data_dir / DATABASE_FILE)
    query = "SELECT payload FROM events WHERE account_id = ? ORDER BY sequence"
    log = connection.execute(query, (account_id,)).fetchall()
    connection.close()
    had_margin = is_margin = False
    for (payload,) in log:
        event = order_update_pb2.AccountEvent.FromString(payload)
        if event.HasField("account_update"):
            change = event.account_update
            is_margin = change.margin_mode == account_pb2.MARGIN_MODE_MARGIN
            begins = change.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_RESET
            had_margin = is_margin if begins else had_margin or is_margin
    return had_margin


async def check_own(bot: Bot, own: list[Any], total: int) -> None:
    """The caller's own row agrees with the KPIs."""
    kpi = (await bot.call("GetTradingKpi")).kpi
    mode = (await account_of(bot)).margin_mode
    had_margin = await had_margin_mode(bot)
    assert had_margin or mode == account_pb2.MARGIN_MODE_CASH
    ranked_as = account_pb2.MARGIN_MODE_MARGIN if had_margin else account_pb2.MARGIN_MODE_CASH
    assert all(row.margin_mode == ranked_as for row in own)
    assert kpi.HasField("rank") == kpi.HasField("rank_total") == bool(own)
    for row in own:
        assert (row.rank, row.trades, total) == (kpi.rank, kpi.total_trades, kpi.rank_total)
        assert row.return_pct == pytest.approx(kpi.total_return_pct, rel=1e-12, abs=1e-12)
        for name in ("win_rate", "sharpe_ratio", "max_drawdown"):
            assert row.HasField(name) == kpi.HasField(name)
            assert getattr(row, name) == pytest.approx(getattr(kpi, name), rel=1e-9, abs=1e-12)


# Examples are not shrunk: a history takes a quarter of a second, and shrinking needs thousands.
@settings(
    max_examples=16,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(steps=[*SQUEEZE, ("wait", 1), ("deposit", 0, 10**7)], modes=[True] * 3, limit=4)
@example(steps=SQUEEZE, modes=[True, True, False], limit=1)
@given(steps=steps, modes=modes, limit=st.integers(1, 4))
async def test_all_calls_agree_after_any_history(
    empty_database: Path, steps: list[tuple[Any, ...]], modes: list[bool], limit: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(empty_database, Path(directory) / DATABASE_FILE)
        venue = await Venue.start(
            Path(directory),
            requests_per_minute=10**6,
            person_requests_per_minute=0,
            orders_per_minute=10**6,
        )
        try:
            owned = [await venue.bot(name) for name in NAMES]
            for bot, name, is_margin in zip(owned, NAMES, modes, strict=True):
                await set_mode(bot, name, "MARGIN" if is_margin else "CASH")
            for symbol in SYMBOLS:
                await quote(venue, symbol, 1_000)
            for step in steps:
                await take(venue, owned, step)
            venue.clock.turn(seconds=1)
            venue.refresh_leaderboard()
            for bot in owned:
                await check_history(bot)
            await check_ranks(owned, limit)
        finally:
            await venue.stop()
        audit(Path(directory))


def check_portfolio(shown: Any) -> None:
    """Equity is balance and market values, and money and positions are of one moment.

    Without fees, what was paid for the positions and the balance is what there was and was earned.
    """
    balance, realized = Decimal(shown.balance), Decimal(shown.realized_pnl)
    worth = sum(Decimal(held.market_value) for held in shown.positions)
    gains = sum(Decimal(held.unrealized_pnl) for held in shown.positions)
    assert Decimal(shown.total_equity) == (balance + worth).quantize(CENT, ROUND_HALF_EVEN)
    assert balance + worth - gains == INITIAL + realized


async def test_every_portfolio_is_of_one_moment_while_trading_goes_on(start_venue: Any) -> None:
    venue = await start_venue(
        requests_per_minute=10**6, person_requests_per_minute=0, orders_per_minute=10**6
    )
    bot = await venue.bot()
    for symbol in SYMBOLS:
        await quote(venue, symbol, 1_000)

    async def trade() -> None:
        for number in range(TRADES):
            symbol = SYMBOLS[number % len(SYMBOLS)]
            side = "SELL" if number % 4 == 3 else "BUY"
            await quote(venue, symbol, 1_000 + number)
            await bot.place(symbol, side, str(1 + number % 3))

    async def read() -> list[Any]:
        return [await bot.portfolio() for _ in range(READS)]

    found = await asyncio.gather(*(read() for _ in range(READERS)), trade())

    shown = [portfolio for portfolios in found if portfolios for portfolio in portfolios]
    assert len({portfolio.balance for portfolio in shown}) > TRADES // 4
    for portfolio in shown:
        check_portfolio(portfolio)
