"""The calls of a bot: BotTrading and MarketData, each described once for both kinds of clients."""

from collections.abc import Sequence
from datetime import datetime

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import market_data_pb2 as market
from bottrading_client import limit_models, market_models, models
from bottrading_client.call import Call, Page, Repeating, call, pages
from bottrading_client.cancelled import CancelledOrders
from bottrading_client.enums import (
    AssetType,
    BarInterval,
    HistoryInterval,
    HistoryPeriod,
    LeaderboardPeriod,
    MarginMode,
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from bottrading_client.messages import Amount, number, read, text, timestamp
from bottrading_client.order_groups import StopLoss, TakeProfit, group_fields


def account() -> Call[models.Account]:
    """Read the account: its money, its plan and its calls of the day."""
    return call(
        lambda service: service.trading.GetAccount,
        trading.GetAccountRequest(),
        lambda answer: read(models.Account, answer.account),
    )


def place_order(
    symbol: str,
    side: Side | str,
    quantity: Amount | None = None,
    *,
    notional: Amount | None = None,
    order_type: OrderType | str | None = None,
    limit_price: Amount | None = None,
    stop_price: Amount | None = None,
    trail_amount: Amount | None = None,
    trail_percent: Amount | None = None,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    asset_type: AssetType | str | None = None,
    client_order_id: str | None = None,
    order_class: OrderClass | str | None = None,
    take_profit: TakeProfit | None = None,
    stop_loss: StopLoss | None = None,
) -> Call[models.Order]:
    """Place an order and return its state after matching, fills included.

    Give either a `quantity` or a `notional`, an amount in US dollars. The order has the quantity
    that the notional pays for, fee included.

    If you give no `client_order_id`, one is generated, so that repeating the call places no second
    order. If an earlier call placed the order, it is returned with `replayed`. An order that the
    trading rules do not allow is returned as REJECTED. With an `order_class` the order and its
    exits are placed together, or none of them; `legs` of the result are the others of the group.
    Left out, `order_type` is MARKET. Raises OutcomeUnknown if no answer came in time.
    """
    return call(
        lambda service: service.trading.PlaceOrder,
        trading.PlaceOrderRequest(
            symbol=symbol,
            side=number(Side, side),
            quantity=text(quantity),
            notional=text(notional),
            order_type=number(OrderType, order_type),
            limit_price=text(limit_price),
            stop_price=text(stop_price),
            trail_amount=text(trail_amount),
            trail_percent=text(trail_percent),
            time_in_force=number(TimeInForce, time_in_force),
            asset_type=number(AssetType, asset_type),
            client_order_id=client_order_id,
            **group_fields(order_class, take_profit, stop_loss),
        ),
        lambda answer: read(models.Order, answer.order),
        Repeating.CHANGES_NOTHING_MORE,
        client_order_id,
    )


def preview_order(
    symbol: str,
    side: Side | str,
    quantity: Amount | None = None,
    *,
    notional: Amount | None = None,
    order_type: OrderType | str | None = None,
    limit_price: Amount | None = None,
    stop_price: Amount | None = None,
    trail_amount: Amount | None = None,
    trail_percent: Amount | None = None,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    asset_type: AssetType | str | None = None,
    order_class: OrderClass | str | None = None,
    take_profit: TakeProfit | None = None,
    stop_loss: StopLoss | None = None,
) -> Call[models.OrderPreview]:
    """Return what `place_order` would do now, to the cent; nothing is recorded."""
    return call(
        lambda service: service.trading.PreviewOrder,
        trading.PreviewOrderRequest(
            symbol=symbol,
            side=number(Side, side),
            quantity=text(quantity),
            notional=text(notional),
            order_type=number(OrderType, order_type),
            limit_price=text(limit_price),
            stop_price=text(stop_price),
            trail_amount=text(trail_amount),
            trail_percent=text(trail_percent),
            time_in_force=number(TimeInForce, time_in_force),
            asset_type=number(AssetType, asset_type),
            **group_fields(order_class, take_profit, stop_loss),
        ),
        lambda answer: read(models.OrderPreview, answer.preview),
    )


def replace_order(
    order_id: str,
    *,
    quantity: Amount | None = None,
    limit_price: Amount | None = None,
    stop_price: Amount | None = None,
    trail_amount: Amount | None = None,
    trail_percent: Amount | None = None,
) -> Call[models.Order]:
    """Replace the total quantity or the prices of a live order; values left out stay."""
    return call(
        lambda service: service.trading.ReplaceOrder,
        trading.ReplaceOrderRequest(
            order_id=order_id,
            quantity=text(quantity),
            limit_price=text(limit_price),
            stop_price=text(stop_price),
            trail_amount=text(trail_amount),
            trail_percent=text(trail_percent),
        ),
        lambda answer: read(models.Order, answer.order),
        Repeating.CHANGES_NOTHING_MORE,
    )


def cancel_order(order_id: str) -> Call[models.Order]:
    """Cancel a live order and return it; a cancelled order is returned again."""
    return call(
        lambda service: service.trading.CancelOrder,
        trading.CancelOrderRequest(order_id=order_id),
        lambda answer: read(models.Order, answer.order),
        Repeating.CHANGES_NOTHING_MORE,
    )


def cancel_all_orders(symbol: str | None = None) -> Call[CancelledOrders]:
    """Cancel all live orders that the key may act on, or those of one symbol; newest first.

    `skipped` of the result counts the live orders that stayed. If the answer to an attempt is lost,
    the orders that it cancelled are missing from the result.
    """
    return call(
        lambda service: service.trading.CancelAllOrders,
        trading.CancelAllOrdersRequest(symbol=symbol),
        lambda answer: CancelledOrders(
            (read(models.Order, order) for order in answer.orders), skipped=answer.skipped_orders
        ),
        Repeating.CHANGES_NOTHING_MORE,
    )


def order(order_id: str) -> Call[models.Order]:
    """Read an order."""
    return _order(trading.GetOrderRequest(order_id=order_id))


def order_by_client_id(client_order_id: str) -> Call[models.Order]:
    """Read an order by the `client_order_id` that its caller chose."""
    return _order(trading.GetOrderRequest(client_order_id=client_order_id))


def _order(request: trading.GetOrderRequest) -> Call[models.Order]:
    return call(
        lambda service: service.trading.GetOrder,
        request,
        lambda answer: read(models.Order, answer.order),
    )


def orders(
    *,
    status: OrderStatus | str | None = None,
    symbol: str | None = None,
    after: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Call[Page[models.Order]]:
    """Iterate over orders, newest first; pages are fetched as they are needed.

    `status` OPEN means every live order. `after` and `until` restrict the times of creation. The
    iteration ends after `limit` orders.
    """
    return pages(
        lambda service: service.trading.ListOrders,
        trading.ListOrdersRequest(
            status=number(OrderStatus, status),
            symbol=symbol,
            after=timestamp(after),
            until=timestamp(until),
        ),
        lambda answer: [read(models.Order, order) for order in answer.orders],
        limit,
    )


def fills(
    *,
    symbol: str | None = None,
    order_id: str | None = None,
    after: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Call[Page[models.Fill]]:
    """Iterate over fills, newest first, like `orders`."""
    return pages(
        lambda service: service.trading.ListFills,
        trading.ListFillsRequest(
            symbol=symbol,
            order_id=order_id,
            after=timestamp(after),
            until=timestamp(until),
        ),
        lambda answer: [read(models.Fill, fill) for fill in answer.fills],
        limit,
    )


def portfolio() -> Call[models.Portfolio]:
    """Read money and positions."""
    return call(
        lambda service: service.trading.GetPortfolio,
        trading.GetPortfolioRequest(),
        lambda answer: read(models.Portfolio, answer.portfolio),
    )


def portfolio_history(
    period: HistoryPeriod | str = HistoryPeriod.MONTH,
    interval: HistoryInterval | str | None = None,
) -> Call[tuple[models.EquityPoint, ...]]:
    """Read the equity curve, oldest point first; the last point is now.

    By default there is a point for each snapshot of a day, each hour of a week, and each day of
    longer periods.
    """
    return call(
        lambda service: service.trading.GetPortfolioHistory,
        trading.GetPortfolioHistoryRequest(
            period=number(HistoryPeriod, period), interval=number(HistoryInterval, interval)
        ),
        lambda answer: tuple(read(models.EquityPoint, point) for point in answer.points),
    )


def kpi() -> Call[models.TradingKpi]:
    """Read the key performance indicators."""
    return call(
        lambda service: service.trading.GetTradingKpi,
        trading.GetTradingKpiRequest(),
        lambda answer: read(models.TradingKpi, answer.kpi),
    )


def leaderboard(
    period: LeaderboardPeriod | str = LeaderboardPeriod.ALL,
    *,
    limit: int | None = None,
    page_token: str = "",
    curve_points: int | None = None,
    margin_mode: MarginMode | str | None = None,
) -> Call[models.Leaderboard]:
    """Read ranked accounts, best first, and the caller's own row.

    `limit` is 1 to 100, by default 20; `page_token` is `next_page_token` of the page before.
    `curve_points` of 2 to 60 adds a return curve of that many points to each row. Without
    `margin_mode` the accounts of the caller's own mode are ranked.
    """
    return call(
        lambda service: service.trading.GetLeaderboard,
        trading.GetLeaderboardRequest(
            period=number(LeaderboardPeriod, period),
            limit=limit,
            page_token=page_token,
            curve_points=curve_points,
            margin_mode=number(MarginMode, margin_mode),
        ),
        lambda answer: read(models.Leaderboard, answer),
    )


def limits() -> Call[limit_models.Limits]:
    """Read every limit of the account and what is left of it."""
    return call(
        lambda service: service.trading.GetLimits,
        trading.GetLimitsRequest(),
        lambda answer: read(limit_models.Limits, answer.limits),
    )


def create_stream_ticket() -> Call[models.StreamTicket]:
    """Make a ticket with which a browser can open streams for 10 minutes."""
    return call(
        lambda service: service.trading.CreateStreamTicket,
        trading.CreateStreamTicketRequest(),
        lambda answer: read(models.StreamTicket, answer),
    )


def instruments(
    *, asset_type: AssetType | str | None = None, query: str | None = None
) -> Call[tuple[market_models.Instrument, ...]]:
    """List instruments, sorted by symbol; `query` is a part of a symbol or name."""
    return call(
        lambda service: service.market.ListInstruments,
        market.ListInstrumentsRequest(asset_type=number(AssetType, asset_type), query=query),
        lambda answer: tuple(read(market_models.Instrument, one) for one in answer.instruments),
    )


def quote(symbol: str) -> Call[market_models.Quote]:
    """Read the newest quote of an instrument, fresh or stale."""
    return call(
        lambda service: service.market.GetQuote,
        market.GetQuoteRequest(symbol=symbol),
        lambda answer: read(market_models.Quote, answer.quote),
    )


def quotes(symbols: Sequence[str]) -> Call[tuple[market_models.Quote, ...]]:
    """Read the newest quotes of up to 100 instruments; those without a quote are left out."""
    return call(
        lambda service: service.market.BatchGetQuotes,
        market.BatchGetQuotesRequest(symbols=symbols),
        lambda answer: tuple(read(market_models.Quote, quote) for quote in answer.quotes),
    )


def bars(
    symbol: str,
    interval: BarInterval | str = BarInterval.MINUTE,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Call[tuple[market_models.Bar, ...]]:
    """List bars that start at or after `start` and before `end`, oldest first.

    Without a start: the newest 100. From `start` to `end` (or now) there may be at most 1 000
    intervals.
    """
    return call(
        lambda service: service.market.ListBars,
        market.ListBarsRequest(
            symbol=symbol,
            interval=number(BarInterval, interval),
            start=timestamp(start),
            end=timestamp(end),
        ),
        lambda answer: tuple(read(market_models.Bar, bar) for bar in answer.bars),
    )


def clock() -> Call[market_models.MarketClock]:
    """Read which markets are open."""
    return call(
        lambda service: service.market.GetMarketClock,
        market.GetMarketClockRequest(),
        lambda answer: read(market_models.MarketClock, answer.clock),
    )
