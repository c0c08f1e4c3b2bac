"""Spending: the engine that owns accounts and persons decides what their calls spend.

Windows are in memory. So that no crash forgets a call, calls are stored before they are made: a
row says how many more may follow, and the next row is due when these are used up. Whoever reads
the row later counts them as spent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.application.callers import Caller
from server.application.commands import Done, SpendOnly, TellAllowances
from server.application.ports import Clock, UnitOfWork
from server.application.rate_limits import (
    Allowance,
    Figures,
    LimitsPerMinute,
    UsageMeter,
    over_limit,
    over_quota,
)
from server.application.refusals import KEY_REFUSED
from server.application.spending_ports import StoredSpends
from server.application.spending_windows import Spender
from server.domain.errors import Refusal
from server.domain.sharding import shard_of
from server.domain.user import Permissions
from server.domain.values import DAY, Micros


@dataclass(frozen=True, slots=True)
class Spend:
    """What a call spends: of its account if a bot makes it, else of its person.

    `quota` is how many calls the account may make on a UTC day; 0: any number.
    """

    caller: Caller
    is_order: bool
    quota: int = 0

    @property
    def spender_id(self) -> str:
        """Return the id of the account or the person."""
        is_bot = self.caller.bot_key_id is not None
        return self.caller.account_id if is_bot else self.caller.user_id


@dataclass(frozen=True, slots=True)
class Charged:
    """What is left after a call, and the refusal of a call that is too many.

    `shown` are the figures of the limit that the call is told. A refusal is doubtful if it counts
    calls that may never have been made. Unless `is_stored`, the call must not be answered before
    what is due is stored.
    """

    allowance: Allowance
    shown: Figures | None
    refusal: Refusal | None = None
    is_doubtful: bool = False
    is_stored: bool = True


@dataclass(frozen=True, slots=True)
class LoadSpenders:
    """Read what is stored of spenders, with their shards, and which keys are live."""

    spenders: dict[str, int]
    accounts: frozenset[str]
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class StoreSpends:
    """Store windows, calls of days and last uses of keys."""

    windows: tuple[StoredSpends, ...] = ()
    calls: list[tuple[str, int, int]] = field(default_factory=list)
    keys: list[tuple[str, Micros]] = field(default_factory=list)


class Spending:
    """Decides what calls spend; `clock` and `monotonic` return real time.

    A spender must be loaded before it is charged.
    """

    def __init__(
        self,
        accounts: LimitsPerMinute,
        persons: LimitsPerMinute,
        *,
        clock: Clock,
        monotonic: Callable[[], Micros],
    ) -> None:
        self._limits, self._limits_of_persons = accounts, persons
        self._clock, self._monotonic = clock, monotonic
        self._spenders: dict[str, Spender] = {}
        # The shard of each spender that is loaded, idle ones too.
        self._shards: dict[str, int] = {}
        self._live_keys: dict[str, str] = {}
        self._meter = UsageMeter()
        self._due: dict[str, Spender] = {}
        # Since then, no other engine has charged those whom this one owns.
        self._since = monotonic()

    def missing(self, spends: Iterable[Spend]) -> LoadSpenders | None:
        """Return the command that loads what is not in memory yet; None if all of it is."""
        wanted = [spend for spend in spends if not self.knows(spend)]
        if not wanted:
            return None
        bots = [spend.caller for spend in wanted if spend.caller.bot_key_id is not None]
        return LoadSpenders(
            {it.spender_id: shard_of(it.caller.user_id) for it in wanted},
            frozenset(caller.account_id for caller in bots),
            {caller.bot_key_id or "": caller.account_id for caller in bots},
        )

    def knows(self, spend: Spend) -> bool:
        """Tell whether what a call needs to be charged is in memory."""
        key = spend.caller.bot_key_id
        return spend.spender_id in self._shards and (key is None or key in self._live_keys)

    def load(self, command: LoadSpenders, _: Permissions, unit: UnitOfWork, __: Micros) -> Done:
        """Load spenders and keys; those that are loaded already stay as they are."""
        new = {who: shard for who, shard in command.spenders.items() if who not in self._shards}
        if new:
            stored, day = unit.stored_spends(new), self._clock() // DAY
            calls = unit.calls_of(command.accounts, day)
            for who, found in stored.items():
                limits = self._limits if who in command.accounts else self._limits_of_persons
                self._spenders[who] = self._loaded(limits, found)
            for account_id in command.accounts:
                self._meter.load(account_id, day, calls.get(account_id, 0))
            self._shards |= new
        unit.preload([], bot_key_ids=command.keys)
        live = (key for key in command.keys if unit.permissions.get(key) is not None)
        self._live_keys |= {key: command.keys[key] for key in live}
        return Done()

    def charge(self, spend: Spend) -> Charged:
        """Spend what a call costs; a refused call spends nothing but a call of the day."""
        caller, now = spend.caller, self._monotonic()
        key = caller.bot_key_id
        if key is not None and key not in self._live_keys:
            return Charged(Allowance(), None, KEY_REFUSED)
        who = spend.spender_id
        spender = self._spenders.get(who)
        if spender is None:
            limits = self._limits_of_persons if key is None else self._limits
            spender = self._spenders[who] = Spender(limits)
        limited = spender.limited(is_order=spend.is_order)
        for what, window in limited:
            if window.is_full(now):
                figures = window.figures(now)
                allowance = spender.allowance(self._calls(who), now)
                refusal = over_limit(what, figures)
                return Charged(allowance, figures, refusal, window.is_doubtful(now))
        if not all([window.add(now) for _, window in limited]):
            self._due[who] = spender
        refused = None if key is None else self._count(caller.account_id, key, spend.quota)
        shown = limited[0][1].figures(now) if limited else None
        allowance = spender.allowance(self._calls(who), now)
        return Charged(allowance, shown, refused, is_stored=who not in self._due)

    def _count(self, account_id: str, bot_key_id: str, quota: int) -> Refusal | None:
        """Count a call of the day; refuse one above the quota."""
        now = self._clock()
        calls = self._meter.count(account_id, bot_key_id, now)
        return over_quota(quota, now) if 0 < quota < calls else None

    def _calls(self, account_id: str) -> int:
        return self._meter.calls(account_id, self._clock())

    def tell(
        self, command: TellAllowances, _: Permissions, unit: UnitOfWork, __: Micros
    ) -> list[Allowance]:
        """Return what is left to accounts; of those elsewhere, as it was stored."""
        unknown = [who for who in command.account_ids if who not in self._shards]
        stored = unit.stored_spends(unknown) if unknown else {}
        calls = unit.calls_of(unknown, self._clock() // DAY) if unknown else {}
        told, now = [], self._monotonic()
        for who in command.account_ids:
            spender = self._spenders.get(who) or Spender(self._limits)
            if who in stored:
                spender = self._loaded(self._limits, stored[who])
            told.append(spender.allowance(calls.get(who, self._calls(who)), now))
        return told

    def to_store(self, *, with_usage: bool) -> StoreSpends | None:
        """Return what must be stored before the calls of a batch may be answered, if anything.

        With `with_usage`, also the calls of the day and the uses of keys since the last time.
        """
        calls, keys = self._meter.take() if with_usage else ([], [])
        if not (self._due or calls or keys):
            return None
        return StoreSpends(
            tuple(self._row(*due, ahead=True) for due in self._due.items()), calls, keys
        )

    def store(self, command: StoreSpends, _: Permissions, unit: UnitOfWork, __: Micros) -> Done:
        """Store windows and usage."""
        unit.store_spends(command.windows)
        unit.add_usage(command.calls, command.keys)
        return Done()

    def settle(self, _: SpendOnly, __: Permissions, ___: UnitOfWork, ____: Micros) -> Done:
        """Do nothing more: what the call spends is stored in the same transaction."""
        return Done()

    def stored(self, command: StoreSpends) -> None:
        """Let as many calls follow as the stored windows say."""
        now = self._monotonic()
        for row in command.windows:
            self._due.pop(row.spender_id, None)
            if row.spender_id in self._spenders:
                self._spenders[row.spender_id].foresee(row, now)

    def not_stored(self, command: StoreSpends) -> None:
        """Count usage that could not be stored again; windows are due until they are stored."""
        self._meter.put_back(command.calls, command.keys)

    def end_key(self, bot_key_id: str) -> None:
        """Refuse a revoked key from now on."""
        self._live_keys.pop(bot_key_id, None)

    def forget_idle(self) -> None:
        """Drop the windows of those who made no call within the last minute."""
        now = self._monotonic()
        for who in [who for who, it in self._spenders.items() if it.is_idle(now)]:
            del self._spenders[who]

    def hand_over(self, shards: Iterable[int]) -> StoreSpends:
        """Return what must be stored before shards are given up: exact windows, and usage."""
        given = set(shards)
        leaving = [(who, it) for who, it in self._spenders.items() if self._shards[who] in given]
        calls, keys = self._meter.take()
        return StoreSpends(tuple(self._row(*it, ahead=False) for it in leaving), calls, keys)

    def forget(self, owns: Callable[[int], bool]) -> None:
        """Forget everybody whose shard is not owned any more; call it once shards have changed."""
        self._since = self._monotonic()
        gone = {who for who, shard in self._shards.items() if not owns(shard)}
        for who in gone:
            del self._shards[who]
            self._spenders.pop(who, None)
            self._due.pop(who, None)
            self._meter.forget(who)
        self._live_keys = {key: who for key, who in self._live_keys.items() if who not in gone}

    def _loaded(self, limits: LimitsPerMinute, stored: StoredSpends) -> Spender:
        age, now = self._clock() - stored.stored_at, self._monotonic()
        return Spender.loaded(limits, stored, age=age, since=self._since, now=now)

    def _row(self, who: str, spender: Spender, *, ahead: bool) -> StoredSpends:
        return spender.to_store(who, self._clock(), self._monotonic(), ahead=ahead)
