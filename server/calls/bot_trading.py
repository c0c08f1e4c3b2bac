"""The calls of BotTrading: what a bot does on the account of its key."""

from server.application.closes import Closes
from server.application.leaderboard import Leaderboard
from server.application.orders import Orders
from server.application.queries import Queries
from server.application.steps import Steps
from server.rpc.figures import Figures
from server.rpc.streams import OrderUpdateStream
from server.rpc.tickets import Tickets
from server.wire import accounts, filters, orders, positions, steps
from server.wire.rows import Decided, Queried, Route, Streamed

GetAccount = Queried(
    read=accounts.own_account,
    query=Queries.account,
    answer=accounts.account_read,
    complete=Figures.add_calls_used,
)
PlaceOrder = Decided(
    read=orders.place_order,
    decide=Orders.place,
    answer=orders.placed,
)
PreviewOrder = Decided(
    read=orders.preview_order,
    decide=Orders.preview,
    answer=orders.previewed,
)
ReplaceOrder = Decided(
    read=orders.replace_order,
    decide=Orders.replace,
    answer=orders.replaced,
)
CancelOrder = Decided(
    read=orders.cancel_order,
    decide=Orders.cancel,
    answer=orders.cancelled,
)
CancelAllOrders = Decided(
    read=orders.cancel_all_orders,
    decide=Orders.cancel_all,
    answer=orders.all_cancelled,
    complete=Figures.tell_skipped_orders,
)
ClosePosition = Decided(
    read=positions.close_position,
    decide=Closes.close,
    answer=positions.position_closed,
)
CloseAllPositions = Decided(
    read=positions.close_all_positions,
    decide=Closes.close_all,
    answer=positions.all_positions_closed,
    complete=Figures.tell_skipped_positions,
)
ListOrders = Queried(
    read=orders.orders,
    query=Queries.orders,
    answer=orders.orders_listed,
)
GetOrder = Queried(
    read=orders.one_order,
    query=Queries.order,
    answer=orders.order_read,
)
GetPortfolio = Queried(
    read=accounts.own_account,
    query=Queries.portfolio,
    answer=accounts.portfolio,
)
ListPositions = Queried(
    read=accounts.own_account,
    query=Queries.portfolio,
    answer=positions.positions_listed,
)
GetPosition = Queried(
    read=positions.one_position,
    query=Queries.position,
    answer=positions.position_read,
)
GetPortfolioHistory = Queried(
    read=accounts.history_wanted,
    query=Queries.history,
    answer=accounts.portfolio_history,
)
ListFills = Queried(
    read=orders.fills,
    query=Queries.fills,
    answer=orders.fills_listed,
)
GetTradingKpi = Queried(
    read=accounts.own_account,
    query=Queries.indicators,
    answer=accounts.trading_kpi,
)
GetLeaderboard = Queried(
    route=Route.EVERYONE,
    read=accounts.places_wanted,
    query=Leaderboard.page,
    answer=accounts.leaderboard,
    is_large=True,
)
GetLimits = Queried(
    read=accounts.own_key,
    query=Queries.limits,
    answer=accounts.limits,
    complete=Figures.add_limits,
)
StreamOrderUpdates = Streamed(
    read=filters.order_updates,
    send=OrderUpdateStream.send,
)
CreateStreamTicket = Queried(
    read=accounts.the_caller,
    query=Tickets.issue_for,
    answer=accounts.stream_ticket,
    from_memory=True,
)
AdvanceClock = Decided(
    read=steps.advance_clock,
    decide=Steps.advance,
    answer=steps.clock_advanced,
)
