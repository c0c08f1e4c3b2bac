"""A Brownian path that every process with the key computes alike, and nobody else can predict."""

import math
from hashlib import blake2b
from statistics import NormalDist
from typing import TypeAlias

from server.domain.invariants import BrokenInvariant

HORIZON = 2**31
"""The last tick of a path: about 68 years of seconds."""

_Point: TypeAlias = tuple[int, float]
_START: _Point = (0, 0.0)
_NORMAL = NormalDist()


class BrownianPath:
    """A standard Brownian motion at whole ticks: 0 at tick 0, variance 1 per tick.

    Its value is a pure function of the key and the tick. It is built as a Brownian bridge (Lévy's
    construction): the end is drawn first, then middles between points already known. The normal
    deviate of each point is the keyed hash of its tick. So no walk from the beginning is needed,
    and increments are independent. Not safe to share between threads.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._end: _Point = (HORIZON, math.sqrt(HORIZON) * self._deviate(HORIZON))
        self._left = _START
        self._rights = [self._end]

    def at(self, tick: int) -> float:
        """Return the value at a tick from 0 to HORIZON.

        Consecutive ticks cost one hash each; a jump, or a step back, costs at most 32.
        """
        if not 0 <= tick <= HORIZON:
            raise BrokenInvariant(f"tick {tick} is off the path")
        if tick < self._left[0]:
            self._left, self._rights = _START, [self._end]
        # `_left` lies at the tick or left of it. `_rights` are the points right of it where halves
        # not yet entered end, the nearest one last. Two neighbours bound an interval of the bridge.
        rights = self._rights
        while rights and rights[-1][0] <= tick:
            self._left = rights.pop()
        while self._left[0] < tick:
            middle = self._middle(self._left, rights[-1])
            if middle[0] <= tick:
                self._left = middle
            else:
                rights.append(middle)
        return self._left[1]

    def _middle(self, left: _Point, right: _Point) -> _Point:
        tick = (left[0] + right[0]) // 2
        deviation = math.sqrt(right[0] - left[0]) / 2
        return tick, (left[1] + right[1]) / 2 + deviation * self._deviate(tick)

    def _deviate(self, tick: int) -> float:
        digest = blake2b(tick.to_bytes(8), key=self._key, digest_size=8, person=b"path").digest()
        # With 52 bits and a half the fraction is exact and never reaches 0 or 1.
        return _NORMAL.inv_cdf(((int.from_bytes(digest) >> 12) + 0.5) / 2**52)
