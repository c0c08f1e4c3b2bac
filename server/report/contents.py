"""Contents: everything that a report shows, read from the database; a server may be running."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bottrading.v1 import order_update_pb2
from server.application.equity_history import EquityPoint, HistoryOf, Interval
from server.application.leaderboard import Leaderboard
from server.application.listings import FillFilter
from server.application.market_feed import QuoteBoard
from server.application.market_ports import Instruments
from server.application.market_record import HeardMinutes
from server.application.queries import Indicators, Portfolio, Queries
from server.application.return_curves import ReturnCurves
from server.application.staging import Stage
from server.bootstrap import venue
from server.bootstrap.adapters import monotonic_clock, system_clock
from server.config import Settings
from server.domain.account import Account
from server.domain.errors import Refusal
from server.domain.events import Fill
from server.domain.instrument import AssetType
from server.domain.user import EVERYTHING
from server.domain.values import SCALE, Micros, Units
from server.market.universe import CurrentInstruments
from server.storage.database import open_readers
from server.storage.location import is_missing
from server.storage.migrate import is_up_to_date
from server.storage.queries import SqlReads
from server.storage.rankings import RankingsFile

FILLS_AT_ONCE = 1_000
EVENTS_AT_ONCE = 1_000


class ReportUnavailable(Exception):
    """There is nothing to report; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A closed trade: an order that ended and has reduced a position, or a settled option."""

    time: Micros
    symbol: str
    pnl: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An account's current epoch.

    `values` are pairs of a time and the value that the initial balance had then; the last pair is
    of now. `fills` are newest first.
    """

    now: Micros
    display_name: str
    portfolio: Portfolio
    indicators: Indicators
    history: Sequence[EquityPoint]
    values: Sequence[tuple[Micros, float]]
    trades: Sequence[ClosedTrade]
    fills: Sequence[Fill]


def read_contents(settings: Settings, account_id: str) -> Contents:
    """Read the contents about an account; raise ReportUnavailable if there are none."""
    path = settings.location
    if is_missing(path):
        raise ReportUnavailable(f"{path} does not exist")
    engine = open_readers(path)
    reads = SqlReads(engine)
    try:
        if not is_up_to_date(engine):
            raise ReportUnavailable(
                f"{path} has the schema of another version: if it is older,"
                " run `bottrading migrate`"
            )
        if not reads.has_account(account_id):
            raise ReportUnavailable(f"{path} has no account {account_id}")
        return _read(settings, reads, account_id)
    finally:
        reads.close()


def _read(settings: Settings, reads: SqlReads, account_id: str) -> Contents:
    now = reads.history().replay_time or system_clock()
    instruments = CurrentInstruments(venue.universe(settings.for_engine()), lambda: now)
    for held in reads.holdings(account_id).positions:
        if instruments.find(held.symbol) is None:
            raise ReportUnavailable(
                f"{held.symbol} is held, but these settings have no such instrument: use the"
                " settings of the service"
            )
    queries = _queries(settings, reads, instruments, now)
    portfolio = queries.portfolio(account_id)
    account = portfolio.account
    _, user, _ = reads.account(account_id)
    fills = _fills(reads, account_id, account.epoch_sequence)
    return Contents(
        now=now,
        display_name=user.identity.name,
        portfolio=portfolio,
        indicators=queries.indicators(account_id),
        history=_history(queries, account_id),
        values=[
            (account.epoch_began_at, account.initial_balance),
            *reads.initial_values(account_id),
            (now, account.initial_value(portfolio.equity)),
        ],
        trades=_closed_trades(reads, account, fills),
        fills=fills,
    )


def _queries(settings: Settings, reads: SqlReads, instruments: Instruments, now: Micros) -> Queries:
    def clock() -> Micros:
        return now

    board = QuoteBoard(settings.for_engine().quote_staleness)
    with Stage() as stage:
        board.load(reads.quotes(), stage)
        stage.publish()
    leaderboard = Leaderboard(
        rankings=RankingsFile(Path(settings.data_dir), settings.location),
        curves=ReturnCurves(reads),
        mode_of=reads.ranked_as,
        board=board,
        instruments=instruments,
        clock=clock,
        monotonic=monotonic_clock,
    )
    return Queries(
        reads=reads,
        board=board,
        heard=HeardMinutes(),
        instruments=instruments,
        leaderboard=leaderboard,
        clock=clock,
        environment=settings.market.upper(),
        margin_terms=venue.costs(settings.for_engine()).margin,
    )


def _history(queries: Queries, account_id: str) -> list[EquityPoint]:
    """Return the equity curve at the shortest interval that gives no more points than allowed."""
    for interval in Interval:
        points = queries.history(HistoryOf(account_id, None, interval))
        if not isinstance(points, Refusal):
            return points
    raise ReportUnavailable("the account has traded for more days than can be shown")


def _fills(reads: SqlReads, account_id: str, since: int) -> list[Fill]:
    """Return the fills of an epoch, newest first."""
    wanted = FillFilter(
        account_id=account_id,
        permissions=EVERYTHING,
        symbol=None,
        order_id=None,
        after=None,
        until=None,
    )
    fills, before = list[Fill](), None
    while page := reads.fills(wanted, before, FILLS_AT_ONCE).items:
        fills += [fill for fill in page if fill.sequence > since]
        before = page[-1].sequence
        if before <= since:
            break
    return fills


def _closed_trades(reads: SqlReads, account: Account, fills: Sequence[Fill]) -> list[ClosedTrade]:
    """Return the profit of each order that closed anything and each settlement, by time."""
    live = {order.id for order in reads.live_orders(account.id)[1]}
    trades: dict[str, ClosedTrade] = {}
    for fill in fills:
        if fill.realized_pnl is not None and fill.order_id not in live:
            known = trades.get(fill.order_id)
            pnl = fill.realized_pnl + (known.pnl if known else 0)
            time = known.time if known else fill.created_at
            trades[fill.order_id] = ClosedTrade(time=time, symbol=fill.symbol, pnl=pnl)
    closed = list(reversed(trades.values()))
    if AssetType.OPTION in account.traded:
        closed += _settled(reads, account)
    return sorted(closed, key=lambda trade: trade.time)


def _settled(reads: SqlReads, account: Account) -> Iterator[ClosedTrade]:
    """Yield the settlements of an epoch, which are stored only in the account's log."""
    after = account.epoch_sequence
    while page := reads.log_page(account.id, after, EVENTS_AT_ONCE):
        for stored in page:
            event = order_update_pb2.AccountEvent.FromString(stored.payload)
            settlement = event.account_update.settlement
            if settlement.symbol:
                yield ClosedTrade(
                    time=event.time.ToMicroseconds(),
                    symbol=settlement.symbol,
                    pnl=int(Decimal(settlement.realized_pnl) * SCALE),
                )
        after = page[-1].sequence
