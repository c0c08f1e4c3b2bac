"""Journals: what readers of order updates were sent, compared with the stored log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise


class Promise(Enum):
    """The promises to a reader, over any number of connections."""

    ORDERED = "Ordered"
    UNIQUE = "Unique"
    ATOMIC = "Atomic"
    RELIABLE = "Reliable"
    RESUMABLE = "Resumable"
    BOOKMARKABLE = "Bookmarkable"


class Kind(Enum):
    """What a message is."""

    SUBSCRIBED = "subscribed"
    SNAPSHOT = "snapshot_order"
    EVENT = "event"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was received; `content` is what an event says."""

    kind: Kind
    sequence: int
    content: object = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stored log; `symbol` is None when it is about the account."""

    sequence: int
    transaction_end: int
    symbol: str | None
    content: object


@dataclass(slots=True)
class Connection:
    """One stream from its opening to its end; `after` is what it was to resume after."""

    after: int | None
    messages: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Journal:
    """All connections of one reader, in order. No symbols: all of them."""

    name: str
    symbols: frozenset[str] = frozenset()
    connections: list[Connection] = field(default_factory=list)

    @property
    def position(self) -> int | None:
        """Return the cursor of the reader; None before its first message."""
        sequences = [it.sequence for made in self.connections for it in made.messages]
        return sequences[-1] if sequences else None

    def wants(self, entry: Entry) -> bool:
        """Tell whether the reader asked for an entry."""
        return entry.symbol is None or not self.symbols or entry.symbol in self.symbols


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, and its place."""

    promise: Promise
    text: str


def violations(journal: Journal, log: Sequence[Entry], *, to_the_end: bool) -> list[Violation]:
    """Return every promise that a journal shows to be broken.

    `to_the_end` says that the reader went on until it had been sent everything in the log.
    """
    return [*_violations(journal, log, to_the_end=to_the_end)]


def _violations(journal: Journal, log: Sequence[Entry], *, to_the_end: bool) -> Iterator[Violation]:
    wanted = {entry.sequence: entry for entry in log if journal.wants(entry)}
    begin = _begin(journal)
    received = [it for made in journal.connections for it in made.messages if it.kind is Kind.EVENT]
    yield from _ordered(received)
    yield from _unique(received)
    for made in journal.connections:
        yield from _atomic(made, wanted)
        yield from _resumable(made, wanted)
    yield from _bookmarkable(journal, wanted, begin, newest=log[-1].sequence)
    yield from _reliable(received, wanted, begin, to_the_end=to_the_end)


def _begin(journal: Journal) -> int:
    first = journal.connections[0]
    return first.messages[0].sequence if first.after is None else first.after


def _ordered(received: Sequence[Message]) -> Iterator[Violation]:
    for before, after in pairwise(received):
        if after.sequence < before.sequence:
            yield Violation(Promise.ORDERED, f"{after.sequence} comes after {before.sequence}")


def _unique(received: Sequence[Message]) -> Iterator[Violation]:
    seen: set[int] = set()
    for message in received:
        if message.sequence in seen:
            yield Violation(Promise.UNIQUE, f"{message.sequence} comes twice")
        seen.add(message.sequence)


def _atomic(made: Connection, wanted: dict[int, Entry]) -> Iterator[Violation]:
    """Nothing but events of the same transaction comes between two events of one."""
    for before, after in pairwise(made.messages):
        entry = wanted.get(before.sequence) if before.kind is Kind.EVENT else None
        if entry is None:
            continue
        rest = range(entry.sequence + 1, entry.transaction_end + 1)
        awaited = next((number for number in rest if number in wanted), None)
        if awaited is not None and (after.kind, after.sequence) != (Kind.EVENT, awaited):
            yield Violation(
                Promise.ATOMIC,
                f"{entry.sequence} and {awaited} are of one transaction;"
                f" between them comes {after.kind.value} {after.sequence}",
            )


def _resumable(made: Connection, wanted: dict[int, Entry]) -> Iterator[Violation]:
    """A stream begins right after the sequence that it is to resume after."""
    if not made.messages:
        return
    first = made.messages[0]
    if first.kind is not Kind.SUBSCRIBED:
        yield Violation(Promise.RESUMABLE, f"{first.kind.value} comes first")
    if made.after is None:
        return
    if first.sequence != made.after:
        yield Violation(Promise.RESUMABLE, f"resumed after {first.sequence}, not {made.after}")
    events = (it.sequence for it in made.messages if it.kind is Kind.EVENT)
    event = next(events, None)
    awaited = min((number for number in wanted if number > made.after), default=None)
    if event is not None and event != awaited:
        yield Violation(Promise.RESUMABLE, f"after {made.after} comes {event}, not {awaited}")


def _bookmarkable(
    journal: Journal, wanted: dict[int, Entry], begin: int, newest: int
) -> Iterator[Violation]:
    """Everything up to a bookmark was sent before it, whatever connection sent it."""
    sent = begin
    for made in journal.connections:
        for message in made.messages:
            if message.kind is Kind.EVENT:
                sent = max(sent, message.sequence)
                continue
            number = message.sequence
            left_out = next((it for it in range(sent + 1, number + 1) if it in wanted), None)
            if left_out is not None or number > newest:
                yield Violation(
                    Promise.BOOKMARKABLE,
                    f"{message.kind.value} {number} is told before {left_out or number} is",
                )
            # A subscription repeats the reader's cursor, which may be inside a transaction.
            if message.kind is not Kind.SUBSCRIBED:
                sent = max(sent, number)


def _reliable(
    received: Sequence[Message], wanted: dict[int, Entry], begin: int, *, to_the_end: bool
) -> Iterator[Violation]:
    got = {message.sequence: message for message in received}
    last = max(wanted, default=begin) if to_the_end else max(got, default=begin)
    for number, entry in wanted.items():
        if begin < number <= last and number not in got:
            yield Violation(Promise.RELIABLE, f"{number} is missing")
        elif number in got and got[number].content != entry.content:
            yield Violation(Promise.RELIABLE, f"{number} is not what the log says")
    for number in got.keys() - wanted.keys():
        yield Violation(Promise.RELIABLE, f"{number} was not asked for")
