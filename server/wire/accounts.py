"""Accounts and their figures: converts requests to queries, and results to answers."""

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from google.protobuf.message import Message

from bottrading.v1 import (
    account_pb2,
    leaderboard_pb2,
    limits_pb2,
    portfolio_pb2,
    trading_kpi_pb2,
)
from bottrading.v1 import bot_trading_pb2 as bot_trading
from server.application.callers import Caller, OwnKey
from server.application.equity_history import EquityPoint, HistoryOf, Interval
from server.application.leaderboard import Board, Period, Place, PlacesWanted
from server.application.ports import OwnedAccount
from server.application.queries import Indicators, LimitsFound, Portfolio
from server.application.return_curves import ReturnPoint
from server.domain import performance
from server.domain.errors import Reason, Refusal
from server.domain.margin import MarginTerms
from server.domain.risk import LIVE_ORDERS_LIMIT
from server.domain.valuation import total_unrealized_pnl
from server.domain.values import DAY as A_DAY
from server.domain.values import SECOND, Micros, format_money, format_to_the_cent, format_units
from server.wire import answers, enums
from server.wire.bounds import bounds
from server.wire.fields import Fields
from server.wire.rows import Surroundings

_Timelines: TypeAlias = dict[tuple[Micros, Micros], leaderboard_pb2.LeaderboardEntry]
"""The moments of curves, by their first and last moment."""

CURVE_POINTS = bounds(bot_trading.GetLeaderboardRequest, "curve_points")

BOT_BADGE = "🤖"

"""The badge of all ranked accounts, because only bot keys can place orders."""


class HistoryPeriod(Enum):
    """The span of an equity curve up to now."""

    DAY = A_DAY
    WEEK = 7 * A_DAY
    MONTH = 30 * A_DAY
    YEAR = 365 * A_DAY
    ALL = None


_PERIODS: dict[int, HistoryPeriod] = {
    portfolio_pb2.HistoryPeriod.Value(f"HISTORY_PERIOD_{period.name}"): period
    for period in HistoryPeriod
}

_INTERVALS: dict[int, Interval] = {
    portfolio_pb2.HistoryInterval.Value(f"HISTORY_INTERVAL_{interval.name}"): interval
    for interval in Interval
}

_INTERVAL_OF = {
    HistoryPeriod.DAY: Interval.SNAPSHOT,
    HistoryPeriod.WEEK: Interval.HOUR,
    HistoryPeriod.MONTH: Interval.DAY,
    HistoryPeriod.YEAR: Interval.DAY,
    HistoryPeriod.ALL: Interval.DAY,
}

_LEADERBOARD_PERIODS: dict[int, Period] = {
    leaderboard_pb2.LeaderboardPeriod.Value(f"LEADERBOARD_PERIOD_{period.name}"): period
    for period in Period
}

_MARGIN_MODES = enums.members(enums.MARGIN_MODES)


def own_account(_: Message, caller: Caller, __: Surroundings) -> str:
    """Return the account that the caller acts on."""
    return caller.account_id


def own_user(_: Message, caller: Caller, __: Surroundings) -> str:
    """Return the user that the caller's token is for."""
    return caller.user_id


def the_caller(_: Message, caller: Caller, __: Surroundings) -> Caller:
    """Return the caller: the answer depends on nothing else."""
    return caller


def own_key(_: Message, caller: Caller, __: Surroundings) -> OwnKey:
    """Return the account that the caller acts on, and the caller's key."""
    return OwnKey(caller.account_id, caller.bot_key_id)


def history_wanted(
    request: bot_trading.GetPortfolioHistoryRequest, caller: Caller, _: Surroundings
) -> HistoryOf | Refusal:
    """Read the period and the interval of an equity curve."""
    fields = Fields()
    period = fields.member("period", request.period, _PERIODS, HistoryPeriod.MONTH)
    interval = fields.optional_member("interval", request.interval, _INTERVALS)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return HistoryOf(caller.account_id, period.value, interval or _INTERVAL_OF[period])


def places_wanted(
    request: bot_trading.GetLeaderboardRequest, caller: Caller, _: Surroundings
) -> PlacesWanted | Refusal:
    """Read the period of a ranking, and the number of rows per page."""
    fields = Fields()
    period = fields.member("period", request.period, _LEADERBOARD_PERIODS, Period.ALL)
    mode = fields.optional_member("margin_mode", request.margin_mode, _MARGIN_MODES)
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    token = fields.page_token("page_token", request.page_token)
    points = request.curve_points if request.HasField("curve_points") else None
    if points is not None and not CURVE_POINTS.minimum <= points <= CURVE_POINTS.maximum:
        fields.refuse(
            "curve_points",
            Reason.FIELD_INVALID,
            f"`curve_points` must be from {CURVE_POINTS.minimum} to {CURVE_POINTS.maximum},"
            f" not {points}.",
        )
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return PlacesWanted(period, limit, token, caller.account_id, points, mode)


def account_read(found: OwnedAccount) -> bot_trading.GetAccountResponse:
    """Answer GetAccount."""
    return bot_trading.GetAccountResponse(account=account(found))


def stream_ticket(made: tuple[str, Micros]) -> bot_trading.CreateStreamTicketResponse:
    """Answer CreateStreamTicket."""
    ticket, expires_at = made
    return bot_trading.CreateStreamTicketResponse(
        ticket=ticket, expires_at=answers.timestamp(expires_at)
    )


def portfolio(found: Portfolio) -> bot_trading.GetPortfolioResponse:
    """Answer GetPortfolio."""
    account, book = found.account, found.book
    return bot_trading.GetPortfolioResponse(
        portfolio=portfolio_pb2.Portfolio(
            balance=format_money(account.balance),
            total_equity=format_money(found.equity),
            positions=map(answers.position, found.positions),
            total_unrealized_pnl=format_money(total_unrealized_pnl(found.positions)),
            buying_power=format_money(found.buying_power),
            reserved=format_money(account.reserved),
            realized_pnl=format_to_the_cent(account.realized_pnl),
            fees_paid=format_to_the_cent(account.fees_paid),
            environment=_environment(found.environment),
            margin_mode=enums.MARGIN_MODES[account.margin_mode],
            margin=None if book is None else format_money(book.margin(account)),
            maintenance_margin=None if book is None else format_money(book.maintenance(account)),
            free_margin=None if book is None else format_money(book.free(account)),
            loan="0.00" if book is None else format_to_the_cent(book.loan(account)),
            interest_paid=format_money(account.interest_paid),
        )
    )


def portfolio_history(
    points: Sequence[EquityPoint],
) -> bot_trading.GetPortfolioHistoryResponse:
    """Answer GetPortfolioHistory."""
    return bot_trading.GetPortfolioHistoryResponse(
        points=[
            portfolio_pb2.EquityPoint(
                time=answers.timestamp(point.time),
                equity=format_money(point.equity),
                deposits=format_money(point.deposits),
            )
            for point in points
        ]
    )


def trading_kpi(found: Indicators) -> bot_trading.GetTradingKpiResponse:
    """Answer GetTradingKpi."""
    statistics = found.statistics
    return bot_trading.GetTradingKpiResponse(
        kpi=trading_kpi_pb2.TradingKpi(
            total_return_pct=found.total_return_pct,
            sharpe_ratio=found.curve.sharpe_ratio,
            win_rate=performance.win_rate(statistics),
            profit_factor=performance.profit_factor(statistics),
            max_drawdown=found.curve.max_drawdown_pct,
            total_trades=statistics.trades,
            sortino_ratio=found.curve.sortino_ratio,
            expectancy=performance.expectancy(statistics),
            consecutive_wins=statistics.longest_win_streak,
            consecutive_losses=statistics.longest_loss_streak,
            rank=found.rank,
            rank_total=found.rank_total,
        )
    )


def limits(found: LimitsFound) -> bot_trading.GetLimitsResponse:
    """Answer GetLimits, without rates, calls and streams, which the front adds."""
    account, plan = found.account, found.user.identity.plan
    return bot_trading.GetLimitsResponse(
        limits=limits_pb2.Limits(
            bot_keys=quota(plan.bot_keys, found.keys),
            accounts=quota(plan.accounts, found.accounts),
            open_orders=quota(LIVE_ORDERS_LIMIT, account.live_orders),
            guard_rails=answers.guard_rails(account.guard_rails),
            bot_key=None if found.bot_key is None else answers.bot_key(found.bot_key),
            margin_terms=_margin_terms(found.margin_terms),
        )
    )


def _margin_terms(terms: MarginTerms) -> limits_pb2.MarginTerms:
    return limits_pb2.MarginTerms(
        initial_percent=format_units(terms.initial_percent),
        maintenance_percent=format_units(terms.maintenance_percent),
        loan_rate_percent=format_units(terms.loan_rate_percent),
        borrow_rate_percent=format_units(terms.borrow_rate_percent),
    )


def quota(limit: int, used: int, *, is_enforced: bool = True) -> limits_pb2.Quota:
    """Return a quota from its limit and the count now."""
    return limits_pb2.Quota(
        limit=limit, used=used, remaining=max(limit - used, 0), enforced=is_enforced
    )


def leaderboard(board: Board) -> bot_trading.GetLeaderboardResponse:
    """Answer GetLeaderboard."""
    timelines: _Timelines = {}
    own = None if board.own is None else _leaderboard_entry(board.own, board, timelines)
    return bot_trading.GetLeaderboardResponse(
        entries=[_leaderboard_entry(place, board, timelines) for place in board.items],
        own_entry=own,
        rank_total=board.total,
        next_page_token=board.next_token,
    )


def _leaderboard_entry(
    place: Place, board: Board, timelines: _Timelines
) -> leaderboard_pb2.LeaderboardEntry:
    entry = leaderboard_pb2.LeaderboardEntry(
        rank=place.rank,
        display_name=place.display_name,
        badge=BOT_BADGE,
        return_pct=place.return_pct,
        win_rate=performance.win_rate(place.statistics),
        trades=place.statistics.trades,
        sharpe_ratio=place.curve.sharpe_ratio,
        max_drawdown=place.curve.max_drawdown_pct,
        was_reset=place.was_reset,
        margin_mode=enums.MARGIN_MODES[place.margin_mode],
        own=place.account_id == board.account_id,
    )
    curve = board.curves.get(place.account_id)
    if curve is not None:
        moments = (curve[0].time, curve[-1].time)
        if moments not in timelines:
            timelines[moments] = _timeline(curve)
        entry.MergeFrom(timelines[moments])
        for shown, point in zip(entry.return_curve, curve, strict=True):
            shown.return_pct = point.return_pct
    return entry


def _timeline(curve: Sequence[ReturnPoint]) -> leaderboard_pb2.LeaderboardEntry:
    """Return the moments of a curve; copying them costs a tenth of making them for each row."""
    timeline = leaderboard_pb2.LeaderboardEntry()
    for point in curve:
        time = timeline.return_curve.add().time
        time.seconds, micros = divmod(point.time, SECOND)
        time.nanos = micros * 1_000
    return timeline


def account(found: OwnedAccount) -> account_pb2.Account:
    """Return an account without the calls of the day, which only the front counts."""
    account, plan = found.account, found.user.identity.plan
    return account_pb2.Account(
        bot_user_id=account.id,
        display_name=found.user.identity.name,
        balance=format_money(account.balance),
        user_type=account_pb2.USER_TYPE_HUMAN,
        status=account_pb2.ACCOUNT_STATUS_ACTIVE,
        created_at=answers.timestamp(account.created_at),
        api_calls_limit=plan.api_calls_per_day,
        plan=plan.value,
        bot_keys_used=found.keys,
        bot_keys_limit=plan.bot_keys,
        buying_power=format_money(found.buying_power),
        environment=_environment(found.environment),
        trading_state=enums.TRADING_STATES[account.trading_state],
        resets=account.resets,
        epoch_began_at=answers.timestamp(account.epoch_began_at),
        margin_mode=enums.MARGIN_MODES[account.margin_mode],
    )


def _environment(name: str) -> account_pb2.Environment.ValueType:
    return account_pb2.Environment.Value(f"ENVIRONMENT_{name}")
