"""Field checks of the calls that the contract has and this server does not offer."""

from collections.abc import Sequence

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import leaderboard_pb2
from server.domain.errors import Reason, Refusal
from server.wire.fields import Fields


def get_leaderboard(request: bot_trading.GetLeaderboardRequest) -> Refusal | None:
    """Check period and page."""
    fields = Fields()
    _check_enum(fields, "period", request.period, leaderboard_pb2.LeaderboardPeriod.values())
    fields.limit("limit", request.limit if request.HasField("limit") else None)
    return fields.refusal()


def _check_enum(fields: Fields, name: str, number: int, known: Sequence[int]) -> None:
    if number not in known:
        fields.refuse(name, Reason.ENUM_VALUE_UNKNOWN, f"{name} has no value with number {number}.")
