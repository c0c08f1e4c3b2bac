"""The table of all rows, by the name of the call; front and engine both read it."""

from collections.abc import Mapping
from types import ModuleType

import orjson

from server.calls import bot_trading, internal, key_management, market_data
from server.engine.charging import SPEND, TELL_ALLOWANCES
from server.engine.cluster import FOLLOW_MARKET
from server.engine.frames import decode_identity, decode_usage, decode_use_of_sign_in
from server.engine.service import EngineCall
from server.wire.contract import Method, methods
from server.wire.rows import Decided, Queried, Row, Streamed

SERVICES = {
    "BotTrading": bot_trading,
    "KeyManagement": key_management,
    "MarketData": market_data,
}


def _rows(module: ModuleType) -> dict[str, Row]:
    kinds = (Decided, Queried, Streamed)
    return {name: value for name, value in vars(module).items() if isinstance(value, kinds)}


ROWS: Mapping[str, Row] = {
    method.path: _rows(SERVICES[method.service])[method.name] for method in methods()
}
"""The row of each method of the contract, by its path; the import fails if one is missing."""


def engine_calls(
    served: Mapping[str, Row] = ROWS, contract: tuple[Method, ...] = methods()
) -> dict[str, EngineCall]:
    """Return the calls that the engine decides, internal ones too, by their names."""
    return {
        method.name: EngineCall(row, method.request_type.FromString)
        for method in contract
        if isinstance(row := served[method.path], Decided)
    } | {
        "KnowUser": EngineCall(internal.KnowUser, decode_identity),
        "RecordUsage": EngineCall(internal.RecordUsage, decode_usage),
        "UseSignIn": EngineCall(internal.UseSignIn, decode_use_of_sign_in),
        SPEND: EngineCall(internal.Spend, bytes),
        FOLLOW_MARKET: EngineCall(internal.FollowMarket, bytes),
        TELL_ALLOWANCES: EngineCall(internal.TellAllowances, orjson.loads),
    }
