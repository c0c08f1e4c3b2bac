"""BotTrading: account, orders, portfolio and figures of the account that a key belongs to."""

from bottrading.v1 import account_pb2, limits_pb2, portfolio_pb2, trading_kpi_pb2
from bottrading.v1 import bot_trading_pb2 as pb
from server.application.ports import Clock, Instruments
from server.application.queries import Queries
from server.application.rate_limits import Figures, RateLimits, UsageMeter
from server.domain import performance
from server.domain.errors import Reason, Refusal
from server.domain.risk import LIVE_ORDERS_LIMIT
from server.domain.valuation import total_unrealized_pnl
from server.domain.values import DAY, Micros, format_money
from server.rpc.call import Call
from server.rpc.errors import Refused
from server.rpc.reading import Reading, accepted, offered_later
from server.wire import answers, enums, filters, later, requests

RATE_WINDOW_SECONDS = 60
ORDER_NOT_FOUND = Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")


class BotTrading:
    """The reading half of the service; the engine answers what writes."""

    def __init__(
        self, *, queries: Queries, reading: Reading, instruments: Instruments, meter: UsageMeter,
        limits: RateLimits, clock: Clock, environment: str, enforce_quotas: bool,
    ) -> None:  # fmt: skip
        self._queries = queries
        self._read = reading
        self._instruments = instruments
        self._meter = meter
        self._limits = limits
        self._clock = clock
        self._environment = account_pb2.Environment.Value(f"ENVIRONMENT_{environment}")
        self._enforce_quotas = enforce_quotas

    async def GetAccount(self, _: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        account, user, keys = await self._read(self._queries.reads.account, call.caller.account_id)
        plan = user.identity.plan
        return pb.GetAccountResponse(
            account=account_pb2.Account(
                bot_user_id=account.id,
                display_name=user.identity.name,
                balance=format_money(account.balance),
                user_type=account_pb2.USER_TYPE_HUMAN,
                status=account_pb2.ACCOUNT_STATUS_ACTIVE,
                created_at=answers.timestamp(account.created_at),
                api_calls_used=self._meter.calls(account.id, self._clock()),
                api_calls_limit=plan.api_calls_per_day,
                plan=plan.value,
                bot_keys_used=keys,
                bot_keys_limit=plan.bot_keys,
                buying_power=format_money(account.buying_power),
                environment=self._environment,
                trading_state=enums.TRADING_STATES[account.trading_state],
            )
        )

    async def ListOrders(self, request: pb.ListOrdersRequest, call: Call) -> pb.ListOrdersResponse:
        wanted, limit = accepted(filters.orders(request, call.caller.account_id, self._instruments))
        page = accepted(await self._read(self._queries.orders, wanted, limit, request.page_token))
        return pb.ListOrdersResponse(
            orders=answers.orders(page.items), next_page_token=page.next_token
        )

    async def GetOrder(self, request: pb.GetOrderRequest, call: Call) -> pb.GetOrderResponse:
        order_id, client_order_id = accepted(filters.order_id_or_client_id(request))
        reads, account_id = self._queries.reads, call.caller.account_id
        if client_order_id:
            order = await self._read(reads.order_by_client_id, account_id, client_order_id)
        else:
            order = await self._read(reads.order, account_id, order_id)
        if order is None:
            raise Refused(ORDER_NOT_FOUND)
        return pb.GetOrderResponse(order=answers.order(order))

    async def GetPortfolio(self, _: pb.GetPortfolioRequest, call: Call) -> pb.GetPortfolioResponse:
        found = await self._read(self._queries.portfolio, call.caller.account_id)
        account = found.account
        return pb.GetPortfolioResponse(
            portfolio=portfolio_pb2.Portfolio(
                balance=format_money(account.balance),
                total_equity=format_money(found.equity),
                positions=[answers.position(position) for position in found.positions],
                total_unrealized_pnl=format_money(total_unrealized_pnl(found.positions)),
                buying_power=format_money(account.buying_power),
                reserved=format_money(account.reserved),
                realized_pnl=format_money(account.realized_pnl),
                fees_paid=format_money(account.fees_paid),
                environment=self._environment,
            )
        )

    async def ListFills(self, request: pb.ListFillsRequest, call: Call) -> pb.ListFillsResponse:
        wanted, limit = accepted(filters.fills(request, call.caller.account_id, self._instruments))
        page = accepted(await self._read(self._queries.fills, wanted, limit, request.page_token))
        return pb.ListFillsResponse(
            fills=[answers.fill(fill) for fill in page.items], next_page_token=page.next_token
        )

    async def GetTradingKpi(
        self, _: pb.GetTradingKpiRequest, call: Call
    ) -> pb.GetTradingKpiResponse:
        found = await self._read(self._queries.indicators, call.caller.account_id)
        statistics = found.statistics
        return pb.GetTradingKpiResponse(
            kpi=trading_kpi_pb2.TradingKpi(
                total_return_pct=found.total_return_pct,
                sharpe_ratio=found.sharpe_ratio,
                win_rate=performance.win_rate(statistics),
                profit_factor=performance.profit_factor(statistics),
                max_drawdown=found.max_drawdown,
                total_trades=statistics.trades,
                sortino_ratio=found.sortino_ratio,
                expectancy=performance.expectancy(statistics),
                consecutive_wins=statistics.longest_win_streak,
                consecutive_losses=statistics.longest_loss_streak,
                rank=found.rank,
                rank_total=found.rank_total,
            )
        )

    async def GetLimits(self, _: pb.GetLimitsRequest, call: Call) -> pb.GetLimitsResponse:
        now, plan = self._clock(), call.caller.plan
        account, _user, keys = await self._read(self._queries.reads.account, call.caller.account_id)
        orders, calls = self._limits.figures(account.id)
        api_calls = _quota(
            plan.api_calls_per_day, self._meter.calls(account.id, now),
            enforced=self._enforce_quotas,
        )  # fmt: skip
        api_calls.resets_at.CopyFrom(answers.timestamp((now // DAY + 1) * DAY))
        return pb.GetLimitsResponse(
            limits=limits_pb2.Limits(
                orders=_rate(orders, now),
                requests=_rate(calls, now),
                api_calls=api_calls,
                bot_keys=_quota(plan.bot_keys, keys, enforced=True),
                open_orders=_quota(LIVE_ORDERS_LIMIT, account.live_orders, enforced=True),
            )
        )

    async def PreviewOrder(
        self, request: pb.PreviewOrderRequest, call: Call
    ) -> pb.PreviewOrderResponse:
        found = requests.place_order(
            request, call.caller.account_id, "", self._instruments, self._clock()
        )
        raise offered_later(found if isinstance(found, Refusal) else None, "PreviewOrder")

    async def ReplaceOrder(
        self, request: pb.ReplaceOrderRequest, _: Call
    ) -> pb.ReplaceOrderResponse:
        raise offered_later(later.replace_order(request), "ReplaceOrder")

    async def GetPortfolioHistory(
        self, request: pb.GetPortfolioHistoryRequest, _: Call
    ) -> pb.GetPortfolioHistoryResponse:
        raise offered_later(later.get_portfolio_history(request), "GetPortfolioHistory")

    async def GetLeaderboard(
        self, request: pb.GetLeaderboardRequest, _: Call
    ) -> pb.GetLeaderboardResponse:
        raise offered_later(later.get_leaderboard(request), "GetLeaderboard")

    async def StreamOrderUpdates(
        self, request: pb.StreamOrderUpdatesRequest, _: Call
    ) -> pb.StreamOrderUpdatesResponse:
        refusal = later.stream_order_updates(request, self._instruments)
        raise offered_later(refusal, "StreamOrderUpdates")

    async def CreateStreamTicket(
        self, _request: pb.CreateStreamTicketRequest, _: Call
    ) -> pb.CreateStreamTicketResponse:
        raise offered_later(None, "CreateStreamTicket")


def _rate(figures: Figures, now: Micros) -> limits_pb2.RateLimit:
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
