"""Enums: for each one, a table of the contract's numbers by the domain's members."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from bottrading.v1 import (
    account_pb2,
    bar_pb2,
    bot_key_pb2,
    error_reason_pb2,
    instrument_pb2,
    order_pb2,
    order_update_pb2,
    quote_pb2,
)
from server.domain.account import MarginMode, TradingState
from server.domain.bar import BarInterval
from server.domain.errors import Reason
from server.domain.events import AccountUpdateType
from server.domain.instrument import AssetType, LiquidityClass, OptionRight
from server.domain.order import (
    Leg,
    OrderClass,
    OrderStatus,
    OrderType,
    OrderUpdateType,
    PlacedBy,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.quote import QuoteRefusal
from server.domain.user import Scope

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

Member = TypeVar("Member", bound=Enum)
Number = TypeVar("Number", bound=int)


def _numbers(
    enum: type[Member], contract: "_EnumTypeWrapper[Number]", prefix: str
) -> dict[Member, Number]:
    return {member: contract.Value(f"{prefix}_{member.value}") for member in enum}


SIDES = _numbers(Side, order_pb2.Side, "SIDE")
ORDER_TYPES = _numbers(OrderType, order_pb2.OrderType, "ORDER_TYPE")
ORDER_CLASSES = _numbers(OrderClass, order_pb2.OrderClass, "ORDER_CLASS")
LEGS = _numbers(Leg, order_pb2.OrderLeg, "ORDER_LEG")
TIMES_IN_FORCE = _numbers(TimeInForce, order_pb2.TimeInForce, "TIME_IN_FORCE")
ORDER_STATUSES = _numbers(OrderStatus, order_pb2.OrderStatus, "ORDER_STATUS")
PLACED_BY = _numbers(PlacedBy, order_pb2.PlacedBy, "PLACED_BY")
STATUS_REASONS = _numbers(StatusReason, order_pb2.StatusReason, "STATUS_REASON")
ACCOUNT_UPDATE_TYPES = _numbers(
    AccountUpdateType, order_update_pb2.AccountUpdateType, "ACCOUNT_UPDATE_TYPE"
)
UPDATE_TYPES = _numbers(OrderUpdateType, order_update_pb2.OrderUpdateType, "ORDER_UPDATE_TYPE")
ASSET_TYPES = _numbers(AssetType, instrument_pb2.AssetType, "ASSET_TYPE")
LIQUIDITY_CLASSES = _numbers(LiquidityClass, instrument_pb2.LiquidityClass, "LIQUIDITY_CLASS")
OPTION_RIGHTS = _numbers(OptionRight, instrument_pb2.OptionRight, "OPTION_RIGHT")
REASONS = _numbers(Reason, error_reason_pb2.ErrorReason, "ERROR_REASON")
TRADING_STATES = _numbers(TradingState, account_pb2.TradingState, "TRADING_STATE")
MARGIN_MODES = _numbers(MarginMode, account_pb2.MarginMode, "MARGIN_MODE")
SCOPES = _numbers(Scope, bot_key_pb2.KeyScope, "KEY_SCOPE")
BAR_INTERVALS = _numbers(BarInterval, bar_pb2.BarInterval, "BAR_INTERVAL")
QUOTE_REFUSALS = _numbers(QuoteRefusal, quote_pb2.QuoteRefusalReason, "QUOTE_REFUSAL_REASON")


def members(numbers: Mapping[Member, int]) -> dict[int, Member]:
    """Return the inverse of a table: the members by number."""
    return {number: member for member, number in numbers.items()}
