"""The universe: every instrument of the venue, with option chains that roll with the date."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from server.application.ports import Clock
from server.domain.instrument import Instrument
from server.domain.values import DAY, Micros
from server.market.listing import Listing
from server.market.moments import utc_day
from server.market.options import OptionChain


class Universe:
    """The fixed instruments, and the option chains that roll at 00:00 UTC."""

    def __init__(self, *, listings: Iterable[Listing], chains: Iterable[OptionChain] = ()) -> None:
        self._fixed = {listing.instrument.symbol: listing for listing in listings}
        self._chains = tuple(chains)
        self._listed_on = lru_cache(maxsize=4)(self._list)

    def listings(self, now: Micros) -> Mapping[str, Listing]:
        """Return the listings on the day of `now`, by symbol; callers must not change them."""
        return self._listed_on(now // DAY)

    def instruments(self, now: Micros) -> dict[str, Instrument]:
        """Return the instruments listed on the day of `now`, by symbol."""
        return {symbol: listing.instrument for symbol, listing in self.listings(now).items()}

    def find(self, symbol: str, now: Micros) -> Instrument | None:
        """Return a listed instrument or an option that has expired; None for an unknown symbol.

        An option has expired when `option.expiry` is before the day of `now`.
        """
        listing = self._listed_on(now // DAY).get(symbol)
        if listing is not None:
            return listing.instrument
        day = utc_day(now)
        expired = (chain.expired(symbol, day) for chain in self._chains)
        return next((instrument for instrument in expired if instrument is not None), None)

    def _list(self, day_number: int) -> dict[str, Listing]:
        day = utc_day(day_number * DAY)
        listed = dict(self._fixed)
        for chain in self._chains:
            listed.update((option.instrument.symbol, option) for option in chain.listings(day))
        return listed


class CurrentInstruments:
    """The instruments of a universe as of now."""

    def __init__(self, universe: Universe, clock: Clock) -> None:
        self._universe = universe
        self._clock = clock

    def find(self, symbol: str) -> Instrument | None:
        """Return the instrument of a symbol, expired options included."""
        return self._universe.find(symbol, self._clock())

    def listed(self, now: Micros) -> Sequence[Instrument]:
        """Return the instruments that trade now, by symbol."""
        listed = self._universe.instruments(now)
        return [listed[symbol] for symbol in sorted(listed)]
