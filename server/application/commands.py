"""Commands: every request to change something, with its result, and the notifications."""

from dataclasses import dataclass

from server.application.market_ports import MarketHours
from server.application.ports import Shown
from server.domain.account import GuardRails, MarginMode, TradingState
from server.domain.bar import Bar
from server.domain.closing import CloseTicket
from server.domain.instrument import AssetType
from server.domain.market import ReplayProgress
from server.domain.order import Order, OrderTicket
from server.domain.previews import Preview
from server.domain.quote import Quote, QuoteRefusal
from server.domain.trading import Replacement
from server.domain.user import EVERYTHING, BotKey, Identity, Permissions, User
from server.domain.values import Micros, Money


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """`warnings` are about the call; they are not part of the order."""

    ticket: OrderTicket
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """`warnings` are about the call; they are not part of the order."""

    ticket: OrderTicket
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaceOrder:
    account_id: str
    order_id: str
    wanted: Replacement


@dataclass(frozen=True, slots=True)
class CancelOrder:
    account_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class CancelAllOrders:
    account_id: str
    symbol: str | None


@dataclass(frozen=True, slots=True)
class ClosePosition:
    ticket: CloseTicket


@dataclass(frozen=True, slots=True)
class CloseAllPositions:
    account_id: str
    bot_key_id: str


@dataclass(frozen=True, slots=True)
class CreateBotKey:
    """`account_id` is None for the user's first account."""

    user_id: str
    account_id: str | None
    label: str
    permissions: Permissions = EVERYTHING


@dataclass(frozen=True, slots=True)
class RevokeBotKey:
    user_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class OpenAccount:
    user_id: str


@dataclass(frozen=True, slots=True)
class ResetAccount:
    user_id: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Deposit:
    """Add money to an account of any user."""

    account_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class SetTradingState:
    user_id: str
    account_id: str
    state: TradingState


@dataclass(frozen=True, slots=True)
class SetMarginMode:
    user_id: str
    account_id: str
    mode: MarginMode


@dataclass(frozen=True, slots=True)
class SetGuardRails:
    user_id: str
    account_id: str
    guard_rails: GuardRails


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceClock:
    """Say that an account is done until a time; exactly one of the last three fields is set.

    `seen` is the time of the replay that the caller saw; None: now. `next_bar` is a length of bars.
    """

    account_id: str
    seen: Micros | None
    until: Micros | None
    by: Micros | None
    next_bar: Micros | None


@dataclass(frozen=True, slots=True)
class TellMarketHours:
    """Return which markets are open."""


@dataclass(frozen=True, slots=True)
class KnowUser:
    """Store what a valid token says about its bearer."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class UseSignIn:
    """Store that a sign-in token is used. `now` is the real time, also while a replay is played."""

    token_id: str
    expires_at: Micros
    now: Micros


@dataclass(frozen=True, slots=True)
class SentQuote:
    """A quote that an operator sent, or the reason why it is not a valid quote.

    `is_confirmed` says that the source shows the quote now.
    """

    symbol: str
    quote: Quote | QuoteRefusal
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class PublishQuotes:
    quotes: tuple[SentQuote, ...]


@dataclass(frozen=True, slots=True)
class RecordUsage:
    """Calls as (account, UTC day number, count) and last uses as (key, moment)."""

    calls: tuple[tuple[str, int, int], ...]
    keys: tuple[tuple[str, Micros], ...]


@dataclass(frozen=True, slots=True)
class SpendOnly:
    """Store what a call spends that another process answers."""


@dataclass(frozen=True, slots=True)
class TellAllowances:
    """Return what is left to accounts."""

    account_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """The order after matching; `replayed` is true when an earlier call placed it.

    `legs` are the other orders of its group.
    """

    order: Order
    replayed: bool
    warnings: tuple[str, ...] = ()
    shown: Shown | None = None
    legs: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Previewed:
    preview: Preview
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replaced:
    """The order after it was replaced and matched again."""

    order: Order
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The cancelled orders, newest first, and how many live orders the key may not cancel."""

    orders: tuple[Order, ...]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """The closing orders, by symbol, and how many positions have none."""

    placed: tuple[Placed, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class KeyCreated:
    """A new key and its secret, which is not stored."""

    key: BotKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    key: BotKey


@dataclass(frozen=True, slots=True)
class RailsSet:
    """The guard rails of an account as they are now."""

    guard_rails: GuardRails


@dataclass(frozen=True, slots=True)
class UserKnown:
    """`is_changed` is true when the token has described a user anew."""

    user: User
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class QuotesPublished:
    """How many quotes were applied, and (symbol, reason) for each of the others."""

    accepted: int
    refused: tuple[tuple[str, QuoteRefusal], ...]


@dataclass(frozen=True, slots=True)
class HoursTold:
    """The hours of every market as of a moment, and the span of the replay, if it is one."""

    now: Micros
    hours: tuple[tuple[AssetType, MarketHours], ...]
    replay: ReplayProgress | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was decided: the command belongs to a shard of another engine; None: to any."""

    shard: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that is answered once the clock stands at `until`, or where its account is awaited.

    `seen` is the time that the caller saw.
    """

    account_id: str
    seen: Micros
    until: Micros


@dataclass(frozen=True, slots=True)
class ClockAdvanced:
    """Where the clock stands, whether the replay has ended, and what happened to the account.

    `sequences` are the first and the last one of the log's entries; 0 when there are none. `events`
    are the first of these entries that the caller may see.
    """

    time: Micros
    has_ended: bool
    sequences: tuple[int, int]
    events: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed; `is_behind` is true when orders or options still wait to be ended."""

    is_behind: bool


@dataclass(frozen=True, slots=True)
class Done:
    """A result without content."""


@dataclass(frozen=True, slots=True)
class QuotesChanged:
    """Notification: these quotes are the newest now.

    `minutes` are the bars of the last two minutes of each symbol, of all quotes that were applied.
    """

    quotes: tuple[Quote, ...]
    minutes: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class QuotesConfirmed:
    """Notification: the newest quotes of these symbols were fresh at this moment."""

    symbols: tuple[str, ...]
    now: Micros


@dataclass(frozen=True, slots=True)
class KeyEnded:
    """Notification: no call with this key may succeed from now on."""

    key_id: str


@dataclass(frozen=True, slots=True)
class UserChanged:
    """Notification: a newer token has changed what is known of a user, perhaps the plan."""

    user_id: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Notification: the clock of a replay has reached this moment."""

    now: Micros


@dataclass(frozen=True, slots=True)
class LogsGrown:
    """Notification: the logs of these accounts have new entries, which readers look up."""

    account_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarketStopped:
    """Notification: trading on the market has stopped unexpectedly, or is possible again."""

    is_stopped: bool


@dataclass(frozen=True, slots=True)
class CallsDelayed:
    """Notification: so many margin calls wait for a fresh quote of each of these symbols."""

    accounts: tuple[tuple[str, int], ...]


Notification = (
    QuotesChanged
    | QuotesConfirmed
    | KeyEnded
    | UserChanged
    | TimePassed
    | LogsGrown
    | MarketStopped
    | CallsDelayed
)
