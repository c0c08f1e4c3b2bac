"""The engines of a venue as one: each call goes to the engine that owns its shard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from server.application.callers import SERVICE, Caller
from server.application.ports import StorageBroken, StorageUnavailable
from server.domain.errors import Reason, Refusal
from server.domain.sharding import ANY_SHARD, shard_of
from server.engine.client import AWAY, RETRY_SECONDS, Asked, EngineRefused, refuse_moved
from server.engine.receipts import Receipt

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The directory is read so often, and at once when a call finds no owner."""

PAUSE_SECONDS = 0.05
"""A directory that lags is not read more often than this."""

REPEAT_SECONDS_MAX = 5.0
"""A call that no engine takes for so long is refused."""


FOLLOW_MARKET = "FollowMarket"
"""The internal call that lets an engine apply the published quotes that another one accepted."""

ALL_SECONDS_MAX = 10.0
"""An engine that is alive and does not answer loses its session within 5 s, and is left out."""

ONE_SECONDS_MAX = 1.0
"""After this, it is found out whether an engine that does not answer is still alive."""

NOT_EVERYWHERE = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The call was executed, but an engine of this venue does not answer, and may follow"
    " later.",
    retry_after_seconds=RETRY_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Directory:
    """Where engines are reached: the owner of each shard, and all that are alive."""

    owners: Mapping[int, str] = field(default_factory=dict)
    engines: frozenset[str] = frozenset()


class Linked(Protocol):
    """An engine to which this front is connected, now or at times."""

    @property
    def is_ready(self) -> bool:
        """Tell whether calls can be sent."""

    def send(self, asked: Asked) -> None:
        """Send a call to an engine that is ready."""


class Removable(Linked, Protocol):
    """An engine of another replica."""

    def abort(self) -> None:
        """End the connection for good."""


class ClusterEngine:
    """Sends calls to the engines of all replicas; `own` is the one of this replica.

    A call that was not executed is repeated at the owner of its shard, and its caller does not
    notice. A call on a connection that ends has an unknown outcome and is never repeated.
    `on_new_owners` is called after shards have changed hands. `followed` names calls that are
    answered once all engines have decided another one, which follows it.
    """

    def __init__(
        self,
        own: Linked,
        own_address: str,
        read: Callable[[], Awaitable[Directory]],
        link: Callable[[str], Removable],
        on_new_owners: Callable[[], None],
        followed: Mapping[str, str] = {},
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._own = own
        self._own_address = own_address
        self._read = read
        self._link = link
        self._on_new_owners = on_new_owners
        self._directory = Directory()
        self._others: dict[str, Removable] = {}
        self._followed = followed
        self._looking = asyncio.Lock()
        self._next_look: asyncio.Task[bool] | None = None
        self._late: list[Asked] = []
        self._end_of_late: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        self._is_closed = False

    def call(
        self,
        name: str,
        caller: Caller,
        body: bytes,
        shard: int | None = None,
        receipt: Receipt | None = None,
    ) -> "asyncio.Future[bytes]":
        """Let the owner of the shard decide and store a call."""
        if shard is None:
            shard = shard_of(caller.user_id) if caller.user_id else ANY_SHARD
        asked = Asked(name, caller, body, shard, self._loop.create_future(), self._moved, receipt)
        asked.until = self._loop.time() + REPEAT_SECONDS_MAX
        self._send(asked)
        if name not in self._followed:
            return asked.future
        return self._loop.create_task(self._follow_up(asked.future, self._followed[name]))

    async def _follow_up(self, decided: "asyncio.Future[bytes]", name: str) -> bytes:
        answer = await decided
        await self.call_all(name)
        return answer

    async def call_all(self, name: str) -> None:
        """Let every engine that is alive decide a call without a body, some perhaps repeatedly.

        An engine that joins is left out until it owns a shard or is ready: it begins with what is
        stored by now. Raises EngineRefused if an engine stays alive and does not answer in time.
        """
        until, done = self._loop.time() + ALL_SECONDS_MAX, set[str]()
        while True:
            is_read = await self._look_anew()
            left = [] if not is_read else sorted(self._taking_part() - done)
            answered = await asyncio.gather(*(self._call_one(it, name) for it in left))
            done.update(it for it, is_done in zip(left, answered, strict=True) if is_done)
            if is_read and done.issuperset(left):
                return
            if self._is_closed or self._loop.time() >= until:
                raise EngineRefused(NOT_EVERYWHERE)
            await asyncio.sleep(PAUSE_SECONDS)

    def _taking_part(self) -> frozenset[str]:
        """Return the addresses of the engines that own something or can be called."""
        found = self._directory
        ready = (address for address in found.engines if self._at(address) is not None)
        return found.engines.intersection(found.owners.values()) | frozenset(ready)

    async def _call_one(self, address: str, name: str) -> bool:
        """Let an engine decide a call; return False if it did not, or not in time."""
        engine = self._at(address)
        if engine is None:
            return False
        future: asyncio.Future[bytes] = self._loop.create_future()
        engine.send(Asked(name, SERVICE, b"", ANY_SHARD, future, refuse_moved))
        try:
            await asyncio.wait_for(future, ONE_SECONDS_MAX)
        except (EngineRefused, TimeoutError):
            return False
        return True

    async def _look_anew(self) -> bool:
        """Read the directory as it is from now on; those who wait at once share one look."""
        if self._next_look is None:
            self._next_look = self._loop.create_task(self._look_next())
        return await asyncio.shield(self._next_look)

    async def _look_next(self) -> bool:
        async with self._looking:
            self._next_look = None
            return await self._read_directory()

    async def run(self) -> None:
        """Follow the directory, and repeat calls that found no owner, until closed."""
        while not self._is_closed:
            await self.look()
            await asyncio.sleep(PAUSE_SECONDS)
            if not self._late:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), LOOK_SECONDS)

    async def look(self) -> None:
        """Read the directory once, and send the calls that found no owner before."""
        self._wanted.clear()
        async with self._looking:
            await self._read_directory()
        self._send_late()

    def close(self) -> None:
        """Refuse calls that no engine took, and leave the engines of other replicas."""
        self._is_closed = True
        self._wanted.set()
        self._send_late()
        for other in self._others.values():
            other.abort()
        self._others.clear()

    async def _read_directory(self) -> bool:
        """Read the directory; return False if that was not possible."""
        try:
            found = await self._read()
        except (StorageUnavailable, StorageBroken) as error:
            log.warning("The owners of shards cannot be read: %s; trying again.", error)
            return False
        if not self._is_closed:
            self._follow(found)
        return True

    def _follow(self, found: Directory) -> None:
        addresses = found.engines - {self._own_address}
        for gone in self._others.keys() - addresses:
            self._others.pop(gone).abort()
        for new in addresses - self._others.keys():
            self._others[new] = self._link(new)
        has_new_owners = found.owners != self._directory.owners
        self._directory = found
        if has_new_owners:
            self._on_new_owners()

    def _send_late(self) -> None:
        late, self._late = self._late, []
        for asked in late:
            if not asked.future.done():
                self._send(asked)

    def _send(self, asked: Asked) -> None:
        """Send a call to the owner of its shard; without one, send it after the next look."""
        engine = self._engine(asked.shard)
        if engine is None:
            self._put_off(asked)
        else:
            engine.send(asked)

    def _moved(self, asked: Asked, shard: int) -> None:
        """Send a call to where it belongs; if that is not known, send it after the next look."""
        if shard in (ANY_SHARD, asked.shard):
            self._put_off(asked)
        else:
            asked.shard = shard
            self._send(asked)

    def _put_off(self, asked: Asked) -> None:
        if self._is_closed or self._loop.time() >= asked.until:
            asked.refuse(AWAY)
            return
        self._late.append(asked)
        self._wanted.set()
        # Not only after a look: one that reads from a database that hangs takes for ever.
        if self._end_of_late is None:
            self._end_of_late = self._loop.call_at(asked.until, self._refuse_late)

    def _refuse_late(self) -> None:
        """Refuse the calls that have waited for too long; look at the others at their time."""
        self._end_of_late = None
        late, self._late = self._late, []
        for asked in late:
            if not asked.future.done():
                self._put_off(asked)

    def _engine(self, shard: int) -> Linked | None:
        if shard == ANY_SHARD:
            engines: list[Linked] = [self._own, *self._others.values()]
            return next((engine for engine in engines if engine.is_ready), None)
        # The own engine may have taken a shard a moment ago; if not, it answers with moved.
        return self._at(self._directory.owners.get(shard, self._own_address))

    def _at(self, address: str) -> Linked | None:
        """Return the engine at an address, if calls can be sent there."""
        engine = self._own if address == self._own_address else self._others.get(address)
        return engine if engine is not None and engine.is_ready else None
