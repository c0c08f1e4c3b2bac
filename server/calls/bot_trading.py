"""The calls of BotTrading: what a bot does on the account of its key."""

from server.application.leaderboard import Leaderboard
from server.application.orders import Orders
from server.application.queries import Queries
from server.rpc.figures import Figures
from server.rpc.streams import OrderUpdateStream
from server.rpc.tickets import Tickets
from server.wire import account_answers, filters, order_answers, order_requests
from server.wire.rows import Decided, Queried, Route, Streamed

GetAccount = Queried(
    read=filters.own_account,
    query=Queries.account,
    answer=account_answers.account_read,
    complete=Figures.add_calls_used,
)
PlaceOrder = Decided(
    read=order_requests.place_order,
    decide=Orders.place,
    answer=order_answers.placed,
)
PreviewOrder = Decided(
    read=order_requests.preview_order,
    decide=Orders.preview,
    answer=order_answers.previewed,
)
ReplaceOrder = Decided(
    read=order_requests.replace_order,
    decide=Orders.replace,
    answer=order_answers.replaced,
)
CancelOrder = Decided(
    read=order_requests.cancel_order,
    decide=Orders.cancel,
    answer=order_answers.cancelled,
)
CancelAllOrders = Decided(
    read=order_requests.cancel_all_orders,
    decide=Orders.cancel_all,
    answer=order_answers.all_cancelled,
    complete=Figures.tell_skipped_orders,
)
ListOrders = Queried(
    read=filters.orders,
    query=Queries.orders,
    answer=order_answers.orders_listed,
)
GetOrder = Queried(
    read=filters.one_order,
    query=Queries.order,
    answer=order_answers.order_read,
)
GetPortfolio = Queried(
    read=filters.own_account,
    query=Queries.portfolio,
    answer=account_answers.portfolio,
)
GetPortfolioHistory = Queried(
    read=filters.portfolio_history,
    query=Queries.history,
    answer=account_answers.portfolio_history,
)
ListFills = Queried(
    read=filters.fills,
    query=Queries.fills,
    answer=order_answers.fills_listed,
)
GetTradingKpi = Queried(
    read=filters.own_account,
    query=Queries.indicators,
    answer=account_answers.trading_kpi,
)
GetLeaderboard = Queried(
    route=Route.EVERYONE,
    read=filters.leaderboard,
    query=Leaderboard.page,
    answer=account_answers.leaderboard,
)
GetLimits = Queried(
    read=filters.own_key,
    query=Queries.limits,
    answer=account_answers.limits,
    complete=Figures.add_limits,
)
StreamOrderUpdates = Streamed(
    read=filters.order_updates,
    send=OrderUpdateStream.send,
)
CreateStreamTicket = Queried(
    read=filters.own_key,
    query=Tickets.issue_for,
    answer=account_answers.stream_ticket,
    from_memory=True,
)
