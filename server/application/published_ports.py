"""What a published market needs from storage: the log of quotes that its owner has accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.quote import Quote
from server.domain.values import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedQuotes:
    """The quotes of one call that were accepted, in order, and the symbols that it confirmed.

    Calls are numbered from 1 on, without gaps. `time` is when the owner of the market accepted it.
    """

    number: int
    time: Micros
    quotes: tuple[Quote, ...]
    confirmed: tuple[str, ...]


class PublishedRecords(Protocol):
    """The part of a unit of work that serves a published market."""

    def log_accepted(self, accepted: AcceptedQuotes) -> None:
        """Add accepted quotes to the log."""

    def accepted_after(self, number: int) -> Sequence[AcceptedQuotes]:
        """Return what was accepted after a number, in order, as far as it is kept."""

    def drop_accepted(self, before: Micros) -> None:
        """Drop what was accepted before a moment, but for the last entry, which has the number."""
