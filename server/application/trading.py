"""Group commit: decides all waiting commands in order and stores them in one transaction."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.application.accounts import Accounts
from server.application.closes import Closes
from server.application.commands import (
    ClosePosition,
    KeyEnded,
    KeyRevoked,
    LogsGrown,
    MarketStopped,
    Moved,
    Notification,
    Passed,
    PlaceOrder,
    PreviewOrder,
    PublishQuotes,
    UserChanged,
    UserKnown,
    Waiting,
)
from server.application.keys import Keys
from server.application.lock_step import LockStepping
from server.application.margin_watch import MarginWatch
from server.application.market_calls import MarketCalls
from server.application.market_feed import MarketFeed
from server.application.orders import Orders
from server.application.ownership import ForeignShard
from server.application.ports import (
    Chance,
    Clock,
    StorageBroken,
    StorageUnavailable,
    StoredEvent,
    UnitOfWork,
)
from server.application.published_quotes import FollowMarket, PublishedQuotes
from server.application.refusals import KEY_REFUSED
from server.application.spending import Spending
from server.application.steps import LoggedEvent, Steps
from server.application.stopped_accounts import STOPPED
from server.application.timekeeping import Timekeeping
from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant
from server.domain.user import EVERYTHING, Permissions
from server.domain.values import SECOND, Micros

log = logging.getLogger(__name__)

NOT_STORED = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The database is not available; try again.",
    retry_after_seconds=1.0,
    is_not_executed=True,
)
PERHAPS_STORED = replace(NOT_STORED, is_not_executed=False)
"""The refusal of a command of which an earlier transaction may have stored a part."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command and the method of a use case that decides it.

    The method takes (command, permissions, unit, now) and returns a result or a Refusal.
    `bot_key_id` is the caller's key, which must be live when the command is decided.
    `account_id` is the account that the command is about, if there is one.
    """

    command: object
    decide: Callable[[Any, Permissions, UnitOfWork, Micros], object]
    bot_key_id: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of tasks, in order of the tasks, and the notifications to send before them."""

    results: list[object]
    notifications: list[Notification]


class Trading:
    """Decides commands in the order of their arrival and commits them together."""

    def __init__(
        self,
        *,
        new_unit: Callable[[], UnitOfWork],
        feed: MarketFeed,
        keys: Keys,
        accounts: Accounts,
        spending: Spending,
        clock: Clock,
        monotonic: Clock,
        chance: Chance,
        since_boot: Clock,
        snapshot_interval: Micros,
        lock_step: LockStepping | None,
        published: PublishedQuotes | None,
        read_event: Callable[[StoredEvent], LoggedEvent],
        tell_progress: Callable[[], None],
    ) -> None:
        self._new_unit = new_unit
        self._feed = feed
        self._clock = clock
        self._chance = chance
        margin_watch = MarginWatch(feed, chance, tell_progress)
        feed.watch_margin(margin_watch.look)
        self._timekeeping = Timekeeping(
            feed, margin_watch, snapshot_interval, monotonic, since_boot, tell_progress
        )
        self._lock_step = lock_step
        self._decide_task = self._decide if lock_step is None else self._decide_alone
        self.steps = Steps(feed, lock_step, read_event)
        self._published = published
        self._market_calls = MarketCalls(feed, self._timekeeping, lock_step, published)
        self.use_cases: tuple[object, ...] = (
            Orders(feed, chance),
            Closes(feed, chance),
            keys,
            accounts,
            spending,
            self._market_calls,
            self.steps,
        )
        """The objects whose methods decide commands."""
        self._has_stopped = False
        self.is_behind = False
        """Whether orders or options still waited to be ended when time last passed."""

    def recover(self) -> None:
        """Load the stored quotes; they are stale, unless the market went on without this engine."""
        with self._new_unit() as unit:
            if self._published is None:
                self._feed.load(unit.stored_quotes(), unit.stage)
            else:
                self._published.load(unit, self._clock())
            unit.forget_unused_replay()
            if self._lock_step is not None:
                self._lock_step.load(unit.participants(), unit.stage)
            unit.commit()

    def begin_anew(self) -> Batch:
        """Go on with other shards: what was found out about the accounts before holds no more.

        Orders that fresh quotes reach are filled: nobody owned their accounts for a moment. The
        first result is a Refusal if it must be tried again.
        """
        return self.handle([Task(None, self._forget), Task(None, self._fill_anew)])

    def handle(self, tasks: Sequence[Task], *, passing: bool = False) -> Batch:
        """Let time pass if `passing`, then decide and store tasks.

        A task that fails gets a Refusal and does not affect the others. When this returns, all
        results are on disk. No result may be sent earlier.
        """
        grown_logs: set[str] = set()
        if passing and self._published is not None:
            self._handle([Task(FollowMarket(), self._market_calls.follow)], grown_logs)
        stuck = self._let_time_pass(grown_logs) if passing else None
        results: list[object] = [stuck] * len(tasks)
        if stuck is None:
            results = [it for part in _apart(tasks) for it in self._handle(part, grown_logs)]
        notifications = self._feed.notifications.take()
        if grown_logs:
            notifications.append(LogsGrown(tuple(grown_logs)))
        if passing:
            notifications += self._standing()
        return Batch(results, notifications)

    def _let_time_pass(self, grown_logs: set[str]) -> Refusal | None:
        """Let time pass in a transaction of its own; return a refusal if a replay failed to do so.

        After such a failure no command may be decided: the moment may be played only in part.
        """
        # A checkpoint may commit a part of the work: no other task may fail with it.
        (result,) = self._handle([Task(None, self._pass_time)], grown_logs)
        # No immediate retry after a failed commit: the database may need a while.
        self.is_behind = isinstance(result, Passed) and result.is_behind
        is_replay = self._feed.source.replay_digest is not None
        return result if is_replay and isinstance(result, Refusal) else None

    def _standing(self) -> list[Notification]:
        """Return a notification when trading on the market has stopped or become possible again."""
        fault, ahead = self._feed.source.fault, self._timekeeping.quotes_ahead.value
        is_stopped = fault is not None or ahead > 0
        if is_stopped is self._has_stopped:
            return []
        self._has_stopped = is_stopped
        if fault is not None:
            log.error("The market has stopped and takes no more orders: %s", fault)
        elif ahead:
            log.error(
                "The clock is %d s behind the newest quote; the service is not ready until it has"
                " caught up or newer quotes have come. Set the clock right.",
                ahead // SECOND,
            )
        else:
            log.warning("The clock is no longer behind the newest quote; the service is ready.")
        return [MarketStopped(is_stopped)]

    def _handle(self, tasks: Sequence[Task], grown_logs: set[str]) -> list[object]:
        try:
            return self._commit(tasks, grown_logs)
        except StorageBroken:
            # Nobody knows what is on disk: continuing could lose results that were answered.
            raise
        except StorageUnavailable as error:
            # No retry one by one: each call would wait for the same database in turn.
            log.error("The database did not store a command: %s", error)
            return [_not_stored(task) for task in tasks]
        except Exception as error:
            if len(tasks) == 1:
                self._stop_account(tasks[0], error)
                return [self.failed(error)]
            kind = type(error).__name__
            log.warning(
                "The %d commands of a batch are retried one by one after %s.", len(tasks), kind
            )
        return [result for task in tasks for result in self._handle([task], grown_logs)]

    def _stop_account(self, task: Task, error: Exception) -> None:
        if isinstance(error, BrokenInvariant) and task.account_id is not None:
            self._feed.stopped.stop(task.account_id, error)

    def _commit(self, tasks: Sequence[Task], grown_logs: set[str]) -> list[object]:
        unit = self._new_unit()
        try:
            with unit:
                unit.preload(*_wanted(tasks))
                results = [self._decide_task(task, unit) for task in tasks]
                unit.commit()
        finally:
            # A unit that fails late may have stored a part at a checkpoint.
            grown_logs |= unit.grown_logs
        return results

    def _decide_alone(self, task: Task, unit: UnitOfWork) -> object:
        """Decide a task, apart from others of its batch in the logs of a lock-step replay."""
        result = self._decide(task, unit)
        if self._lock_step is not None:
            unit.end_group()
        return result

    def _decide(self, task: Task, unit: UnitOfWork) -> object:
        if task.account_id in self._feed.stopped.ids:
            return STOPPED
        now, permissions = self._clock(), EVERYTHING
        if task.bot_key_id is not None:
            # The caller's key was live when the call came; it may have been revoked since.
            found = unit.permissions.get(task.bot_key_id)
            if found is None:
                return KEY_REFUSED
            permissions = found
        try:
            result = task.decide(task.command, permissions, unit, now)
        except ForeignShard as error:
            return Moved(error.shard)
        if isinstance(result, KeyRevoked):
            self._feed.notifications.put(KeyEnded(result.key.id), unit.stage)
        elif isinstance(result, UserKnown) and result.is_changed:
            self._feed.notifications.put(UserChanged(result.user.id), unit.stage)
        return result

    def _pass_time(self, _: None, __: Permissions, unit: UnitOfWork, now: Micros) -> Passed:
        """Apply due quotes, end orders, settle options and take snapshots that are due."""
        if self._lock_step is not None:
            self._lock_step.look(self._feed.stopped, unit, now)
        is_behind = self._timekeeping.pass_time(unit, now)
        if self._lock_step is not None:
            self._lock_step.stand(unit, self._clock())
        return Passed(is_behind)

    def _forget(self, _: None, __: Permissions, unit: UnitOfWork, ___: Micros) -> None:
        self._timekeeping.begin_anew(unit.stage)
        stopped = self._feed.stopped
        if stopped.ids:
            stopped.ids &= unit.owned_of(stopped.ids)

    def _fill_anew(self, _: None, __: Permissions, unit: UnitOfWork, now: Micros) -> None:
        self._feed.look_anew(unit, now)

    def failed(self, error: Exception) -> Refusal:
        """Log an error, and return the Refusal that the caller gets for it."""
        error_id = self._chance.new_id()
        log.error("Internal error %s", error_id, exc_info=error)
        return Refusal(
            reason=Reason.INTERNAL, message=f"Internal error {error_id}; quote it to the operator."
        )


def _not_stored(task: Task) -> Refusal:
    """Return the refusal of a task whose transaction was not stored.

    Quotes are stored in parts, and a call that waits for the clock is stored when the wait begins.
    """
    is_in_parts = isinstance(task.command, PublishQuotes | FollowMarket | Waiting)
    return PERHAPS_STORED if is_in_parts else NOT_STORED


def _apart(tasks: Sequence[Task]) -> list[list[Task]]:
    """Divide tasks, in their order, into those that are stored together.

    A task that applies quotes commits parts of its work at checkpoints. It needs a transaction of
    its own: the failure of another task would make the engine decide it again.
    """
    parts: list[list[Task]] = []
    in_parts = PublishQuotes | FollowMarket
    for task in tasks:
        alone = isinstance(task.command, in_parts)
        if alone or not parts or isinstance(parts[-1][-1].command, in_parts):
            parts.append([])
        parts[-1].append(task)
    return parts


def _wanted(
    tasks: Sequence[Task],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], set[str]]:
    """Return the (account, symbol) and (account, client_order_id) pairs and keys of tasks."""
    holdings: list[tuple[str, str]] = []
    client_order_ids: list[tuple[str, str]] = []
    bot_key_ids: set[str] = set()
    for task in tasks:
        if task.bot_key_id is not None:
            bot_key_ids.add(task.bot_key_id)
        if isinstance(task.command, PlaceOrder | PreviewOrder | ClosePosition):
            ticket = task.command.ticket
            holdings.append((ticket.account_id, ticket.symbol))
            if ticket.client_order_id is not None:
                client_order_ids.append((ticket.account_id, ticket.client_order_id))
    return holdings, client_order_ids, bot_key_ids
