"""The enums of the contract; each value is a text."""

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """An enum; a value that only a newer server knows is kept as a text.

    Classes are named as in the contract, and so are values, without the prefix.
    """

    @classmethod
    def named(cls, word: str) -> Self:
        """Return the member with the value; for an unknown value, an object like a member."""
        try:
            return cls(word)
        except ValueError:
            unknown = str.__new__(cls, word)
            unknown._name_ = unknown._value_ = word
            return unknown


class Side(OpenEnum):
    """Whether an order buys or sells."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(OpenEnum):
    """When an order becomes active and at which price it fills."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class OrderClass(OpenEnum):
    """Whether an order stands alone, or which group it belongs to."""

    SIMPLE = "SIMPLE"
    BRACKET = "BRACKET"
    OCO = "OCO"
    OTO = "OTO"


class OrderLeg(OpenEnum):
    """What an order does in its group."""

    ENTRY = "ENTRY"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"


class TimeInForce(OpenEnum):
    """How long an order waits."""

    GTC = "GTC"
    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(OpenEnum):
    """The state of an order; as a filter, OPEN means every live order."""

    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class PlacedBy(OpenEnum):
    """Who placed an order."""

    BOT = "BOT"
    PERSON = "PERSON"
    VENUE = "VENUE"


class StatusReason(OpenEnum):
    """Why an order is CANCELLED."""

    REQUESTED = "REQUESTED"
    IOC_REMAINDER = "IOC_REMAINDER"
    EXPIRED_DAY = "EXPIRED_DAY"
    EXPIRED_GTC = "EXPIRED_GTC"
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"
    TRADING_HALTED = "TRADING_HALTED"
    INSTRUMENT_EXPIRED = "INSTRUMENT_EXPIRED"
    ACCOUNT_RESET = "ACCOUNT_RESET"
    POSITION_CLOSED = "POSITION_CLOSED"
    EXIT_FILLED = "EXIT_FILLED"
    SIBLING_FILLED = "SIBLING_FILLED"
    ENTRY_ENDED = "ENTRY_ENDED"
    MARGIN_CALL = "MARGIN_CALL"
    MARGIN_RESTORED = "MARGIN_RESTORED"


class OrderUpdateType(OpenEnum):
    """What happened to an order."""

    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    FILLED = "FILLED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    REPLACED = "REPLACED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"


class AccountUpdateType(OpenEnum):
    """What happened to an account."""

    OPENED = "OPENED"
    DEPOSIT = "DEPOSIT"
    RESET = "RESET"
    TRADING_STATE = "TRADING_STATE"
    SETTLED = "SETTLED"
    STEP_MISSED = "STEP_MISSED"
    MARGIN_MODE = "MARGIN_MODE"
    INTEREST = "INTEREST"
    MARGIN_CALL = "MARGIN_CALL"
    BANKRUPT = "BANKRUPT"


class AssetType(OpenEnum):
    """The asset type of an instrument."""

    STOCK = "STOCK"
    CRYPTO = "CRYPTO"
    FOREX = "FOREX"
    ETF = "ETF"
    OPTION = "OPTION"
    COMMODITY = "COMMODITY"


class LiquidityClass(OpenEnum):
    """How deep the market of an instrument is."""

    LIQUID = "LIQUID"
    THIN = "THIN"


class OptionRight(OpenEnum):
    """Which side of the strike an option pays on."""

    CALL = "CALL"
    PUT = "PUT"


class UserType(OpenEnum):
    """Who owns an account."""

    HUMAN = "HUMAN"


class AccountStatus(OpenEnum):
    """Whether an account can be used."""

    ACTIVE = "ACTIVE"


class MarginMode(OpenEnum):
    """Whether an account may borrow money and sell short."""

    CASH = "CASH"
    MARGIN = "MARGIN"


class TradingState(OpenEnum):
    """Which orders an account accepts."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Environment(OpenEnum):
    """Where the quotes come from."""

    SIMULATED = "SIMULATED"
    PUBLISHED = "PUBLISHED"
    REPLAY = "REPLAY"


class KeyScope(OpenEnum):
    """What a bot key may do."""

    TRADE = "TRADE"
    READ = "READ"


class BarInterval(OpenEnum):
    """Length of a bar."""

    MINUTE = "1M"
    FIVE_MINUTES = "5M"
    FIFTEEN_MINUTES = "15M"
    HOUR = "1H"
    DAY = "1D"


class HistoryPeriod(OpenEnum):
    """Span of a portfolio history, up to now."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"
    ALL = "ALL"


class HistoryInterval(OpenEnum):
    """Distance between two points of a portfolio history."""

    SNAPSHOT = "SNAPSHOT"
    HOUR = "HOUR"
    DAY = "DAY"


class LeaderboardPeriod(OpenEnum):
    """Span of a leaderboard, up to now."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    ALL = "ALL"


class ErrorReason(OpenEnum):
    """Why a call was refused or an order rejected; the contract explains each with an example."""

    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    TWO_CREDENTIALS = "TWO_CREDENTIALS"
    BOT_KEY_INVALID = "BOT_KEY_INVALID"
    BOT_KEY_REQUIRED = "BOT_KEY_REQUIRED"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_REQUIRED = "TOKEN_REQUIRED"
    OPERATOR_REQUIRED = "OPERATOR_REQUIRED"
    KEY_SCOPE_MISSING = "KEY_SCOPE_MISSING"
    ORDER_RATE_EXCEEDED = "ORDER_RATE_EXCEEDED"
    REQUEST_RATE_EXCEEDED = "REQUEST_RATE_EXCEEDED"
    DAILY_QUOTA_EXCEEDED = "DAILY_QUOTA_EXCEEDED"
    STREAM_LIMIT_EXCEEDED = "STREAM_LIMIT_EXCEEDED"
    READER_TOO_SLOW = "READER_TOO_SLOW"
    ACCOUNT_ID_REQUIRED = "ACCOUNT_ID_REQUIRED"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    FIELD_INVALID = "FIELD_INVALID"
    FIELD_REQUIRED = "FIELD_REQUIRED"
    ENUM_VALUE_UNKNOWN = "ENUM_VALUE_UNKNOWN"
    DECIMAL_INVALID = "DECIMAL_INVALID"
    NOT_POSITIVE = "NOT_POSITIVE"
    SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
    ASSET_TYPE_MISMATCH = "ASSET_TYPE_MISMATCH"
    INSTRUMENT_EXPIRED = "INSTRUMENT_EXPIRED"
    LIMIT_PRICE_REQUIRED = "LIMIT_PRICE_REQUIRED"
    STOP_PRICE_REQUIRED = "STOP_PRICE_REQUIRED"
    TRAIL_REQUIRED = "TRAIL_REQUIRED"
    LIMIT_PRICE_NOT_ALLOWED = "LIMIT_PRICE_NOT_ALLOWED"
    STOP_PRICE_NOT_ALLOWED = "STOP_PRICE_NOT_ALLOWED"
    TRAIL_NOT_ALLOWED = "TRAIL_NOT_ALLOWED"
    QUANTITY_OFF_STEP = "QUANTITY_OFF_STEP"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    TIME_IN_FORCE_NOT_ALLOWED = "TIME_IN_FORCE_NOT_ALLOWED"
    EXIT_PRICE_INVALID = "EXIT_PRICE_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    NOT_OFFERED = "NOT_OFFERED"
    INSTRUMENT_NOT_ALLOWED = "INSTRUMENT_NOT_ALLOWED"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    BOT_KEY_NOT_FOUND = "BOT_KEY_NOT_FOUND"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    POSITION_NOT_FOUND = "POSITION_NOT_FOUND"
    HOST_UNKNOWN = "HOST_UNKNOWN"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CLIENT_ORDER_ID_REUSED = "CLIENT_ORDER_ID_REUSED"
    ORDER_NOT_LIVE = "ORDER_NOT_LIVE"
    QUANTITY_ALREADY_FILLED = "QUANTITY_ALREADY_FILLED"
    QUANTITY_TOO_SMALL = "QUANTITY_TOO_SMALL"
    NOTIONAL_TOO_SMALL = "NOTIONAL_TOO_SMALL"
    BOT_KEY_LIMIT_REACHED = "BOT_KEY_LIMIT_REACHED"
    ACCOUNT_LIMIT_REACHED = "ACCOUNT_LIMIT_REACHED"
    DEPOSIT_TOO_LARGE = "DEPOSIT_TOO_LARGE"
    LIVE_ORDERS = "LIVE_ORDERS"
    MARGIN_IN_USE = "MARGIN_IN_USE"
    MARKET_NOT_PUBLISHED = "MARKET_NOT_PUBLISHED"
    MARKET_NOT_STEPPED = "MARKET_NOT_STEPPED"
    PARTICIPANTS_COMPLETE = "PARTICIPANTS_COMPLETE"
    SEQUENCE_IN_FUTURE = "SEQUENCE_IN_FUTURE"
    TRADING_HALTED = "TRADING_HALTED"
    DAILY_LOSS_REACHED = "DAILY_LOSS_REACHED"
    TOO_MANY_OPEN_ORDERS = "TOO_MANY_OPEN_ORDERS"
    ORDER_TOO_LARGE = "ORDER_TOO_LARGE"
    ORDER_NOTIONAL_EXCEEDED = "ORDER_NOTIONAL_EXCEEDED"
    POSITION_SHARE_EXCEEDED = "POSITION_SHARE_EXCEEDED"
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"
    INSUFFICIENT_POSITION = "INSUFFICIENT_POSITION"
    MARKET_CLOSED = "MARKET_CLOSED"
    NO_QUOTE = "NO_QUOTE"
    FOK_NOT_FILLABLE = "FOK_NOT_FILLABLE"
    CONFLICT = "CONFLICT"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"
