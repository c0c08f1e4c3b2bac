"""Positions: converts requests to commands and queries, results to answers."""

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.application.callers import Caller
from server.application.commands import CloseAllPositions, Closed, ClosePosition, Placed
from server.application.listings import OnePosition
from server.application.queries import Portfolio
from server.domain.closing import WHOLE, CloseTicket
from server.domain.errors import Reason, Refusal
from server.domain.order import A_PERSON
from server.domain.valuation import ValuedPosition
from server.domain.values import SCALE, Quantity, Units
from server.wire import answers
from server.wire.bounds import bounds
from server.wire.fields import Fields, path_symbol
from server.wire.rows import Surroundings

PERCENTAGE_MAX = bounds(pb.ClosePositionRequest, "percentage").maximum


def one_position(
    request: pb.GetPositionRequest, caller: Caller, given: Surroundings
) -> OnePosition | Refusal:
    """Read which position is wanted."""
    symbol = path_symbol(request.symbol, given.instruments)
    return symbol if isinstance(symbol, Refusal) else OnePosition(caller.account_id, symbol)


def close_position(
    request: pb.ClosePositionRequest, caller: Caller, given: Surroundings
) -> ClosePosition | Refusal:
    """Read how much of a position to close; its quantity step is checked with the position."""
    fields = Fields()
    quantity = percentage = client_order_id = None
    if request.HasField("quantity"):
        quantity = fields.positive("quantity", request.quantity, Quantity)
    if request.HasField("percentage"):
        percentage = fields.positive("percentage", request.percentage, Units)
    if percentage is not None and percentage > PERCENTAGE_MAX * SCALE:
        fields.refuse(
            "percentage",
            Reason.FIELD_INVALID,
            f"`percentage` must be at most {PERCENTAGE_MAX}, not {request.percentage}.",
        )
    if request.HasField("quantity") and request.HasField("percentage"):
        fields.refuse(
            "percentage",
            Reason.FIELD_INVALID,
            "Send at most one of `quantity` and `percentage`.",
        )
    if request.HasField("client_order_id"):
        client_order_id = fields.client_order_id("client_order_id", request.client_order_id)
    symbol = path_symbol(request.symbol, given.instruments)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    if isinstance(symbol, Refusal):
        return symbol
    return ClosePosition(
        CloseTicket(
            account_id=caller.account_id,
            bot_key_id=caller.bot_key_id or A_PERSON,
            symbol=symbol,
            quantity=quantity,
            percentage=None if percentage == WHOLE else percentage,
            client_order_id=client_order_id,
        )
    )


def close_all_positions(
    _: pb.CloseAllPositionsRequest, caller: Caller, __: Surroundings
) -> CloseAllPositions:
    """Read whose positions to close."""
    return CloseAllPositions(caller.account_id, caller.bot_key_id or A_PERSON)


def positions_listed(found: Portfolio) -> pb.ListPositionsResponse:
    """Answer ListPositions."""
    return pb.ListPositionsResponse(positions=map(answers.position, found.positions))


def position_read(found: ValuedPosition) -> pb.GetPositionResponse:
    """Answer GetPosition."""
    return pb.GetPositionResponse(position=answers.position(found))


def position_closed(result: Placed) -> pb.ClosePositionResponse:
    """Answer ClosePosition."""
    return pb.ClosePositionResponse(order=_order(result))


def all_positions_closed(result: Closed) -> pb.CloseAllPositionsResponse:
    """Answer CloseAllPositions."""
    return pb.CloseAllPositionsResponse(
        orders=map(_order, result.placed), skipped_positions=result.skipped
    )


def _order(result: Placed) -> order_pb2.Order:
    return result.shown or answers.order(result.order, replayed=result.replayed)
