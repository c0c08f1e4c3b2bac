"""Group commit: every waiting command is decided one after another and stored at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from server.application.accounts import Accounts, change_guard_rails, change_trading_state
from server.application.commands import (
    Administration,
    BotCommand,
    CancelAllOrders,
    CancelOrder,
    Command,
    CreateBotKey,
    Deposit,
    Done,
    Doorbell,
    KeyEnded,
    KeyRevoked,
    KnowUser,
    LogsGrown,
    MarketStopped,
    OpenAccount,
    PassTime,
    PlaceOrder,
    PreviewOrder,
    PublishQuotes,
    QuotesPublished,
    RecordUsage,
    ReplaceOrder,
    ResetAccount,
    Result,
    RevokeBotKey,
    SetGuardRails,
    SetTradingState,
    TellMarketHours,
)
from server.application.keys import KEY_REFUSED, Keys
from server.application.market_feed import MarketFeed
from server.application.orders import Orders
from server.application.ports import (
    Chance,
    Clock,
    StorageBroken,
    StorageUnavailable,
    UnitOfWork,
)
from server.application.stopped_accounts import STOPPED
from server.application.timekeeping import Timekeeping, keep_first
from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant
from server.domain.quote import Quote, QuoteRefusal
from server.domain.values import SECOND, Micros

log = logging.getLogger(__name__)

UNAVAILABLE_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of commands, in their order, and the doorbells to ring before telling them."""

    results: list[Result]
    doorbells: list[Doorbell]


class Trading:
    """Decides commands in the order of their arrival and commits them together."""

    def __init__(
        self,
        *,
        new_unit: Callable[[], UnitOfWork],
        feed: MarketFeed,
        keys: Keys,
        accounts: Accounts,
        clock: Clock,
        monotonic: Clock,
        chance: Chance,
        since_boot: Clock,
        snapshot_interval: Micros,
        tell_progress: Callable[[], None],
    ) -> None:
        self._new_unit = new_unit
        self._feed = feed
        self._keys = keys
        self._accounts = accounts
        self._clock = clock
        self._chance = chance
        self._orders = Orders(feed, chance)
        self._timekeeping = Timekeeping(
            feed, snapshot_interval, monotonic, since_boot, tell_progress
        )
        self._grown_logs: set[str] = set()
        self._doorbells: list[Doorbell] = []
        self._has_stopped = False

    @property
    def is_behind(self) -> bool:
        """Tell whether something is over and has not ended yet."""
        return self._timekeeping.is_behind

    def recover(self) -> None:
        """Load what the last run left: its quotes, which are stale."""
        with self._new_unit() as unit:
            self._feed.load(unit.stored_quotes())
            unit.forget_unused_replay()
            unit.commit()

    def handle(self, commands: Sequence[Command]) -> Batch:
        """Decide and store commands; one that fails is told so and touches no other.

        Nothing in the result may be told before it is returned: then all of it is on disk.
        """
        results: list[Result] = []
        stuck: Refusal | None = None
        for part in _apart(commands):
            decided = self._handle(part) if stuck is None else [stuck] * len(part)
            stuck = stuck or self._stuck(part[-1], decided[-1])
            results += decided
        doorbells, self._doorbells = self._doorbells, []
        if self._grown_logs:
            doorbells.append(LogsGrown(tuple(self._grown_logs)))
            self._grown_logs.clear()
        doorbells += self._standing()
        return Batch(results, doorbells)

    def _standing(self) -> list[Doorbell]:
        """Return what there is to tell about whether the market can be traded on."""
        fault, ahead = self._feed.source.fault, self._timekeeping.quotes_ahead
        is_stopped = fault is not None or ahead > 0
        if is_stopped is self._has_stopped:
            return []
        self._has_stopped = is_stopped
        if fault is not None:
            log.error("The market stops, no order is taken any more: %s", fault)
        elif ahead:
            log.error(
                "The clock is %d s behind the newest quote; the service is not ready until it has"
                " caught up or newer quotes have come. Set the clock right.",
                ahead // SECOND,
            )
        else:
            log.warning("The clock is no longer behind the newest quote; the service is ready.")
        return [MarketStopped(is_stopped)]

    def _stuck(self, command: Command, result: Result) -> Refusal | None:
        """Return why the time of a replay does not pass: what was due then is due before all else.

        Deciding anything now would be deciding at a moment that may be over in part.
        """
        is_replay = self._feed.source.replay_digest is not None
        if is_replay and isinstance(command, PassTime) and isinstance(result, Refusal):
            return result
        return None

    def _handle(self, commands: Sequence[Command]) -> list[Result]:
        try:
            return self._commit(commands)
        except StorageBroken:
            # What the disk holds is not known any more: going on could lose what was answered.
            raise
        except StorageUnavailable as error:
            # Trying one by one would make every call wait for the same database in turn.
            return [self._failed(error)] * len(commands)
        except Exception as error:
            if len(commands) == 1:
                self._stop_account(commands[0], error)
                return [self._failed(error)]
            kind = type(error).__name__
            log.warning("A batch of %d is retried one by one after %s.", len(commands), kind)
        return [result for command in commands for result in self._handle([command])]

    def _stop_account(self, command: Command, error: Exception) -> None:
        account_id: str | None = getattr(command, "account_id", None)
        if isinstance(error, BrokenInvariant) and account_id is not None:
            self._feed.stopped.stop(account_id, error)

    def _commit(self, commands: Sequence[Command]) -> list[Result]:
        unit = self._new_unit()
        try:
            with unit:
                unit.on_rollback(partial(keep_first, self._doorbells, len(self._doorbells)))
                unit.preload(*_wanted(commands))
                results = [self._decide(command, unit, self._doorbells) for command in commands]
                unit.commit()
        finally:
            # Of a unit that fails late, some may be on disk by a checkpoint.
            self._grown_logs |= unit.grown_logs
        return results

    def _decide(self, command: Command, unit: UnitOfWork, doorbells: list[Doorbell]) -> Result:
        if getattr(command, "account_id", None) in self._feed.stopped.ids:
            return STOPPED
        now = self._clock()
        if isinstance(command, BotCommand):
            return self._serve_bot(command, unit, now)
        match command:
            case PublishQuotes():
                return self._publish(command, unit, now, doorbells)
            case PassTime():
                self._timekeeping.pass_time(unit, now, doorbells)
                return Done()
            case _:
                return self._administer(command, unit, now, doorbells)

    def _serve_bot(self, command: BotCommand, unit: UnitOfWork, now: Micros) -> Result:
        # The caller's key was live when the call came; it may have been revoked since.
        permissions = unit.permissions(command.bot_key_id)
        if permissions is None:
            return KEY_REFUSED
        match command:
            case PlaceOrder():
                return self._orders.place(command, permissions, unit, now)
            case CancelOrder():
                return self._orders.cancel(command, permissions, unit, now)
            case ReplaceOrder():
                return self._orders.replace(command, permissions, unit, now)
            case CancelAllOrders():
                return self._orders.cancel_all(command, permissions, unit, now)
            case PreviewOrder():
                return self._orders.preview(command, permissions, unit, now)
            case TellMarketHours():
                return self._feed.hours(now)
        assert_never(command)

    def _administer(
        self, command: Administration, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]
    ) -> Result:
        match command:
            case CreateBotKey():
                return self._keys.create(command, unit, now)
            case RevokeBotKey():
                result = self._keys.revoke(command, unit, now)
                if isinstance(result, KeyRevoked):
                    doorbells.append(KeyEnded(result.key.id))
                return result
            case OpenAccount():
                return self._accounts.open(command, unit, now)
            case ResetAccount():
                return self._accounts.reset(command, unit, now)
            case Deposit():
                return self._accounts.deposit(command, unit, now)
            case SetTradingState():
                return change_trading_state(command, unit, now)
            case SetGuardRails():
                return change_guard_rails(command, unit)
            case KnowUser():
                return self._keys.know_user(command, unit, now)
            case RecordUsage():
                unit.add_usage(command.calls, command.keys)
                return Done()
        assert_never(command)

    def _publish(
        self, command: PublishQuotes, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]
    ) -> Result:
        if self._feed.source.environment != "PUBLISHED":
            return Refusal(
                reason=Reason.MARKET_NOT_PUBLISHED,
                message="This server makes its own quotes; start it with --market published.",
            )
        self._timekeeping.look_at_clock(now)
        sent = [item.quote for item in command.quotes if isinstance(item.quote, Quote)]
        outcomes = iter(self._feed.apply_and_ring(sent, unit, now, doorbells))
        refused: list[tuple[str, QuoteRefusal]] = []
        for item in command.quotes:
            why = next(outcomes) if isinstance(item.quote, Quote) else item.quote
            if why is not None:
                refused.append((item.symbol, why))
        return QuotesPublished(len(command.quotes) - len(refused), tuple(refused))

    def _failed(self, error: Exception) -> Refusal:
        if isinstance(error, StorageUnavailable):
            log.error("The database did not take a command: %s", error)
            return Refusal(
                reason=Reason.UNAVAILABLE,
                message="The database is not available; try again.",
                retry_after_seconds=UNAVAILABLE_RETRY_SECONDS,
            )
        error_id = self._chance.new_id()
        log.error("Internal error %s", error_id, exc_info=error)
        return Refusal(
            reason=Reason.INTERNAL, message=f"Internal error {error_id}; quote it to the operator."
        )


def _apart(commands: Sequence[Command]) -> list[list[Command]]:
    """Divide commands, in their order, into those that are stored together.

    What moves the market stores large parts of its work by itself, so it must not stand in one
    transaction with commands that would be decided again if a later one failed.
    """
    parts: list[list[Command]] = []
    for command in commands:
        alone = isinstance(command, PassTime | PublishQuotes)
        if alone or not parts or isinstance(parts[-1][-1], PassTime | PublishQuotes):
            parts.append([])
        parts[-1].append(command)
    return parts


def _wanted(
    commands: Sequence[Command],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the (account, symbol) and (account, client_order_id) pairs that commands need."""
    tickets = [
        command.ticket for command in commands if isinstance(command, PlaceOrder | PreviewOrder)
    ]
    return (
        [(ticket.account_id, ticket.symbol) for ticket in tickets],
        [
            (ticket.account_id, ticket.client_order_id)
            for ticket in tickets
            if ticket.client_order_id is not None
        ],
    )
