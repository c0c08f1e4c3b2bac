"""The calls of a bot about positions: reading and closing them."""

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading_client import models
from bottrading_client.call import Call, Repeating, call
from bottrading_client.cancelled import ClosingOrders
from bottrading_client.messages import Amount, read, text


def positions() -> Call[tuple[models.Position, ...]]:
    """List the positions with their values, by symbol."""
    return call(
        lambda service: service.trading.ListPositions,
        trading.ListPositionsRequest(),
        lambda answer: tuple(read(models.Position, one) for one in answer.positions),
    )


def position(symbol: str) -> Call[models.Position]:
    """Read one position with its values."""
    return call(
        lambda service: service.trading.GetPosition,
        trading.GetPositionRequest(symbol=symbol),
        lambda answer: read(models.Position, answer.position),
    )


def close_position(
    symbol: str,
    *,
    quantity: Amount | None = None,
    percentage: Amount | None = None,
    client_order_id: str | None = None,
) -> Call[models.Order]:
    """Close a position, or a quantity or percentage of it, by a MARKET order; return that order.

    If you give no `client_order_id`, one is generated, so that repeating the call places no second
    order. Live orders that reserve the quantity are cancelled in the same transaction. Raises
    OutcomeUnknown if no answer came in time.
    """
    return call(
        lambda service: service.trading.ClosePosition,
        trading.ClosePositionRequest(
            symbol=symbol,
            quantity=text(quantity),
            percentage=text(percentage),
            client_order_id=client_order_id,
        ),
        lambda answer: read(models.Order, answer.order),
        Repeating.CHANGES_NOTHING_MORE,
        client_order_id,
    )


def close_all_positions() -> Call[ClosingOrders]:
    """Close all positions that the key may trade; return the closing orders, by symbol.

    `skipped` of the result counts the positions that stayed without an order. If the answer to an
    attempt is lost, the orders that it filled are missing from the result.
    """
    return call(
        lambda service: service.trading.CloseAllPositions,
        trading.CloseAllPositionsRequest(),
        lambda answer: ClosingOrders(
            (read(models.Order, order) for order in answer.orders),
            skipped=answer.skipped_positions,
        ),
        Repeating.CHANGES_NOTHING_MORE,
    )
