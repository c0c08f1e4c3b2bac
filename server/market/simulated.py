"""The simulated source: one quote per second for each symbol, a pure function of a secret."""

import math
import struct
from hashlib import blake2b

from server.application.market_ports import MarketStep
from server.application.staging import Stage, Staged
from server.domain.instrument import LiquidityClass
from server.domain.quote import FUTURE_TOLERANCE, Quote
from server.domain.values import SCALE, SECOND, Micros, Price, Quantity, Units
from server.market.brownian_path import HORIZON, BrownianPath
from server.market.listing import Listing
from server.market.options import black_scholes
from server.market.secret import KEY_BYTES, MarketSecret
from server.market.universe import Universe

ANNUAL_SECONDS = 365 * 86_400

DISPLAYED_LOTS = {
    LiquidityClass.LIQUID: range(100, 2_001),
    LiquidityClass.THIN: range(5, 101),
}

PRICE_MAX: Units = 10**10 * SCALE - 1
"""The highest price that ten digits before the point can show."""

_DRAWS = struct.Struct(">QQQ")


class TickNotDueError(ValueError):
    """The tick is in the future, before the market's origin or after its horizon."""


class SimulatedSource:
    """Quotes of geometric Brownian motions without drift, one for each underlying.

    A quote depends only on the secret, the listing and the number of its tick; ticks are whole
    seconds since the secret's origin. No method reveals anything about a tick later than its
    argument `now`. Options are priced on the path of their underlying. The price always lies
    between bid and ask, so that quotes alone offer no profit. Not safe to share between threads.
    """

    environment = "SIMULATED"
    fault: str | None = None
    replay_digest = None
    replay = None

    def __init__(self, *, universe: Universe, secret: MarketSecret) -> None:
        self._universe = universe
        self._secret = secret
        self._keys: dict[str, bytes] = {}
        self._paths: dict[str, BrownianPath] = {}
        self._played = Staged(-1)

    def poll(self, now: Micros) -> list[MarketStep]:
        """Return the newest tick if it was not played; ticks missed in between are skipped."""
        tick = self._newest_due(now)
        if not self._comes_after_played(tick):
            return [MarketStep(now, ())]
        listings = self._universe.listings(self._moment(tick)).values()
        return [MarketStep(now, [self._quote(listing, tick) for listing in listings])]

    def play(self, step: MarketStep, stage: Stage) -> None:
        """Stage that the newest tick as of a step is played."""
        tick = self._newest_due(step.time)
        if self._comes_after_played(tick):
            self._played.set(tick, stage)

    def is_due(self, now: Micros) -> bool:
        """Tell whether `poll` would have quotes."""
        return self._comes_after_played(self._newest_due(now))

    def due_in(self, now: Micros) -> Micros | None:
        """Return the time until `poll` has quotes, 0 when it has; None after the last tick."""
        if self._played.value >= HORIZON:
            return None
        if self.is_due(now):
            return 0
        return max(self._moment(self._played.value + 1) - now, 0)

    def quote_at(self, symbol: str, tick: int, now: Micros) -> Quote:
        """Return the quote that a symbol has at a tick.

        Raise TickNotDueError for a tick that is not due at `now`, KeyError for a symbol that is
        not listed on the day of the tick.
        """
        if not 0 <= tick <= self._newest_due(now):
            raise TickNotDueError(f"tick {tick} is not due")
        return self._quote(self._universe.listings(self._moment(tick))[symbol], tick)

    def _comes_after_played(self, tick: int) -> bool:
        """Tell whether a tick is due, also after a clock that was far ahead was set back."""
        played = self._played.value
        return tick > played or tick < played - FUTURE_TOLERANCE // SECOND

    def _newest_due(self, now: Micros) -> int:
        return min((now - self._secret.origin) // SECOND, HORIZON)

    def _moment(self, tick: int) -> Micros:
        return self._secret.origin + tick * SECOND

    def _quote(self, listing: Listing, tick: int) -> Quote:
        instrument = listing.instrument
        spread_draw, bid_draw, ask_draw = self._draws(instrument.symbol, tick)
        price_tick = instrument.price_tick
        price = self._price(listing, tick)
        usual_spread = price * listing.spread_bps / 10_000
        # From here on prices are whole numbers of price ticks.
        spread = max(1, round(usual_spread * (0.75 + 0.5 * spread_draw / 2**64) / price_tick))
        nearest = round(price / price_tick)
        fair_bid = round(price / price_tick - spread / 2)
        bid = min(max(fair_bid, 1), PRICE_MAX // price_tick - spread)
        ask = bid + spread
        lots = DISPLAYED_LOTS[instrument.liquidity_class]
        return Quote(
            symbol=instrument.symbol,
            bid=Price(bid * price_tick),
            # Nobody bids the smallest tick for something that is worth less.
            bid_size=Quantity(0 if bid > fair_bid else lots[bid_draw % len(lots)] * listing.lot),
            ask=Price(ask * price_tick),
            ask_size=Quantity(lots[ask_draw % len(lots)] * listing.lot),
            last=Price(min(max(nearest, bid), ask) * price_tick),
            time=self._moment(tick),
            sequence=tick,
        )

    def _price(self, listing: Listing, tick: int) -> float:
        option = listing.instrument.option
        if option is None:
            return self._spot(listing, listing.instrument.symbol, tick)
        spot = self._spot(listing, option.underlying, tick)
        years = (option.expires_at - self._moment(tick)) / SECOND / ANNUAL_SECONDS
        return black_scholes(spot, option.strike, listing.annual_volatility, years, option.right)

    def _spot(self, listing: Listing, symbol: str, tick: int) -> float:
        path = self._paths.get(symbol)
        if path is None:
            path = self._paths[symbol] = BrownianPath(self._key(symbol))
        volatility = listing.annual_volatility / math.sqrt(ANNUAL_SECONDS)
        # The second term keeps the expected price constant.
        growth = math.exp(volatility * path.at(tick) - volatility**2 / 2 * tick)
        return min(max(listing.level * growth, 1), PRICE_MAX)

    def _draws(self, symbol: str, tick: int) -> tuple[int, int, int]:
        message = tick.to_bytes(8)
        digest = blake2b(message, key=self._key(symbol), digest_size=_DRAWS.size, person=b"quote")
        spread, bid_size, ask_size = _DRAWS.unpack(digest.digest())
        return spread, bid_size, ask_size

    def _key(self, symbol: str) -> bytes:
        key = self._keys.get(symbol)
        if key is None:
            digest = blake2b(
                symbol.encode(), key=self._secret.key, digest_size=KEY_BYTES, person=b"symbol"
            )
            key = self._keys[symbol] = digest.digest()
        return key
