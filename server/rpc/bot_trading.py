"""BotTrading: account, orders, portfolio and figures of the account that a key belongs to."""

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import limits_pb2, portfolio_pb2, trading_kpi_pb2
from server.application.ports import Clock, Instruments
from server.application.queries import Queries
from server.application.rate_limits import Figures, RateLimits, UsageMeter
from server.domain import performance
from server.domain.errors import Reason, Refusal
from server.domain.risk import LIVE_ORDERS_LIMIT
from server.domain.valuation import total_unrealized_pnl
from server.domain.values import DAY, Micros, format_money, format_to_the_cent
from server.rpc.account_view import AccountView
from server.rpc.call import Call
from server.rpc.errors import Refused
from server.rpc.interceptors.streams import OpenStreams
from server.rpc.reading import SharedReading, accepted
from server.rpc.streams import OrderUpdateStream
from server.rpc.tickets import Tickets
from server.wire import answers, filters

RATE_WINDOW_SECONDS = 60
ORDER_NOT_FOUND = Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")


class BotTrading:
    """The reading half of the service; the engine answers what writes."""

    def __init__(
        self,
        *,
        queries: Queries,
        reading: SharedReading,
        instruments: Instruments,
        meter: UsageMeter,
        limits: RateLimits,
        clock: Clock,
        show_account: AccountView,
        enforce_quotas: bool,
        streams: OpenStreams,
        stream_order_updates: OrderUpdateStream,
        tickets: Tickets,
    ) -> None:
        self._streams = streams
        self._stream_order_updates = stream_order_updates
        self._tickets = tickets
        self._queries = queries
        self._read = reading.for_caller
        self._instruments = instruments
        self._meter = meter
        self._limits = limits
        self._clock = clock
        self._show_account = show_account
        self._enforce_quotas = enforce_quotas

    async def GetAccount(self, _: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        account, user, keys = await self._read(
            call, self._queries.reads.account, call.caller.account_id
        )
        return pb.GetAccountResponse(account=self._show_account(account, user, keys))

    async def ListOrders(self, request: pb.ListOrdersRequest, call: Call) -> pb.ListOrdersResponse:
        caller = call.caller
        wanted, limit = accepted(
            filters.orders(request, caller.account_id, caller.permissions, self._instruments)
        )
        page = accepted(
            await self._read(call, self._queries.orders, wanted, limit, request.page_token)
        )
        return pb.ListOrdersResponse(
            orders=answers.orders(page.items), next_page_token=page.next_token
        )

    async def GetOrder(self, request: pb.GetOrderRequest, call: Call) -> pb.GetOrderResponse:
        order_id, client_order_id = accepted(filters.order_id_or_client_id(request))
        reads, account_id = self._queries.reads, call.caller.account_id
        if client_order_id:
            order = await self._read(call, reads.order_by_client_id, account_id, client_order_id)
        else:
            order = await self._read(call, reads.order, account_id, order_id)
        if order is None or not call.caller.permissions.allow(order):
            raise Refused(ORDER_NOT_FOUND)
        return pb.GetOrderResponse(order=answers.order(order))

    async def GetPortfolio(self, _: pb.GetPortfolioRequest, call: Call) -> pb.GetPortfolioResponse:
        found = await self._read(call, self._queries.portfolio, call.caller.account_id)
        account = found.account
        return pb.GetPortfolioResponse(
            portfolio=portfolio_pb2.Portfolio(
                balance=format_money(account.balance),
                total_equity=format_money(found.equity),
                positions=[answers.position(position) for position in found.positions],
                total_unrealized_pnl=format_money(total_unrealized_pnl(found.positions)),
                buying_power=format_money(account.buying_power),
                reserved=format_money(account.reserved),
                realized_pnl=format_to_the_cent(account.realized_pnl),
                fees_paid=format_to_the_cent(account.fees_paid),
                environment=self._show_account.environment,
            )
        )

    async def ListFills(self, request: pb.ListFillsRequest, call: Call) -> pb.ListFillsResponse:
        caller = call.caller
        wanted, limit = accepted(
            filters.fills(request, caller.account_id, caller.permissions, self._instruments)
        )
        page = accepted(
            await self._read(call, self._queries.fills, wanted, limit, request.page_token)
        )
        return pb.ListFillsResponse(
            fills=[answers.fill(fill) for fill in page.items], next_page_token=page.next_token
        )

    async def GetTradingKpi(
        self, _: pb.GetTradingKpiRequest, call: Call
    ) -> pb.GetTradingKpiResponse:
        found = await self._read(call, self._queries.indicators, call.caller.account_id)
        statistics = found.statistics
        return pb.GetTradingKpiResponse(
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

    async def GetLimits(self, _: pb.GetLimitsRequest, call: Call) -> pb.GetLimitsResponse:
        now, plan = self._clock(), call.caller.plan
        reads = self._queries.reads
        account, user, keys = await self._read(call, reads.account, call.caller.account_id)
        accounts = await self._read(call, reads.account_count, user.id)
        assert call.caller.bot_key_id is not None, "the call takes a bot key"
        bot_key = await self._read(call, reads.key, call.caller.bot_key_id)
        orders, calls = self._limits.figures(account.id)
        api_calls = _quota(
            plan.api_calls_per_day,
            self._meter.calls(account.id, now),
            enforced=self._enforce_quotas,
        )
        api_calls.resets_at.CopyFrom(answers.timestamp((now // DAY + 1) * DAY))
        return pb.GetLimitsResponse(
            limits=limits_pb2.Limits(
                orders=_rate(orders, now),
                requests=_rate(calls, now),
                api_calls=api_calls,
                bot_keys=_quota(plan.bot_keys, keys, enforced=True),
                accounts=_quota(plan.accounts, accounts, enforced=True),
                open_orders=_quota(LIVE_ORDERS_LIMIT, account.live_orders, enforced=True),
                guard_rails=answers.guard_rails(account.guard_rails),
                bot_key=answers.bot_key(bot_key),
                streams=_quota(
                    self._streams.per_account, self._streams.count(account.id), enforced=True
                ),
            )
        )

    async def GetPortfolioHistory(
        self, request: pb.GetPortfolioHistoryRequest, call: Call
    ) -> pb.GetPortfolioHistoryResponse:
        period, interval = accepted(filters.portfolio_history(request))
        account_id = call.caller.account_id
        points = accepted(
            await self._read(call, self._queries.history, account_id, period, interval)
        )
        return pb.GetPortfolioHistoryResponse(points=answers.equity_points(points))

    async def GetLeaderboard(
        self, request: pb.GetLeaderboardRequest, call: Call
    ) -> pb.GetLeaderboardResponse:
        period, limit = accepted(filters.leaderboard(request))
        account_id = call.caller.account_id
        page = accepted(
            await self._read(
                call,
                self._queries.leaderboard.page,
                period,
                limit,
                request.page_token,
                account_id,
            )
        )
        return answers.leaderboard(page, account_id)

    async def StreamOrderUpdates(self, request: pb.StreamOrderUpdatesRequest, call: Call) -> None:
        await self._stream_order_updates(request, call)

    async def CreateStreamTicket(
        self, _: pb.CreateStreamTicketRequest, call: Call
    ) -> pb.CreateStreamTicketResponse:
        assert call.caller.bot_key_id is not None, "the call takes a bot key"
        ticket, expires_at = self._tickets.issue(call.caller.bot_key_id)
        return pb.CreateStreamTicketResponse(
            ticket=ticket, expires_at=answers.timestamp(expires_at)
        )


def _rate(figures: Figures | None, now: Micros) -> limits_pb2.RateLimit | None:
    if figures is None:
        return None
    taken = figures.remaining < figures.limit
    return limits_pb2.RateLimit(
        limit=figures.limit,
        remaining=figures.remaining,
        window_seconds=RATE_WINDOW_SECONDS,
        reset_at=answers.timestamp(now + figures.reset_in) if taken else None,
    )


def _quota(limit: int, used: int, *, enforced: bool) -> limits_pb2.Quota:
    return limits_pb2.Quota(
        limit=limit, used=used, remaining=max(limit - used, 0), enforced=enforced
    )
