"""Timekeeping: what happens because time passes: expiry, settlement, due quotes, snapshots."""

from functools import partial

from server.application.commands import Doorbell, TimePassed
from server.application.market_feed import MarketFeed, left_out_if_impossible
from server.application.market_record import MarketRecord
from server.application.orders import end
from server.application.ports import Clock, MarketStep, UnitOfWork
from server.application.snapshots import Snapshots
from server.domain.account_changes import settle
from server.domain.instrument import Instrument
from server.domain.order import StatusReason
from server.domain.values import DAY, SECOND, Micros

STEPS_TIME_MAX: Micros = SECOND // 2
"""After this much real time the steps that are left wait, so that calls are answered."""


class Timekeeping:
    """Lets time pass on the market; nothing here is asked for by a caller."""

    def __init__(self, feed: MarketFeed, snapshot_interval: Micros, monotonic: Clock) -> None:
        self._feed = feed
        self._monotonic = monotonic
        self._snapshots = Snapshots(feed, snapshot_interval)
        self._settled_day = 0
        self._unpriced: frozenset[str] = frozenset()

    def pass_time(self, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]) -> None:
        """Do what became due, moment by moment, as long as there is time for it."""
        source, begun = self._feed.source, self._monotonic()
        unit.on_rollback(source.take_back)
        steps, stood = source.poll(now), now
        for number, step in enumerate(steps):
            if number and self._monotonic() > begun + STEPS_TIME_MAX:
                source.take_back(step)
                break
            self._begin(step, stood, unit, doorbells)
            self._feed.expire(unit, step.time)
            self._settle(unit, step.time)
            self._feed.apply_and_ring(step.quotes, unit, step.time, doorbells)
            self._snapshots.take(unit, step.time)
            stood = step.time
        self._feed.record.store(unit, stood)
        digest = source.replay_digest
        if digest is not None:
            unit.store_replay(digest, stood)
            doorbells.append(TimePassed(stood))

    def _begin(
        self, step: MarketStep, stood: Micros, unit: UnitOfWork, doorbells: list[Doorbell]
    ) -> None:
        """Make a step of a replay one whole, however many transactions it takes.

        Until all of it is stored, what is stored says that it is still to be played. Playing it
        again is harmless: an account remembers what it took of a quote.
        """
        source = self._feed.source
        if source.replay_digest is None:
            return
        # Not where the clock stood: a restarted replay must not go back behind what is stored.
        reached, record = max(stood, step.time - 1), self._feed.record
        unit.begin_step(partial(_note, unit, source.replay_digest, reached, record, record.mark()))
        unit.on_rollback(partial(source.take_back, step))
        unit.on_rollback(partial(keep_first, doorbells, len(doorbells)))

    def _settle(self, unit: UnitOfWork, now: Micros) -> None:
        """Turn options that expired into money, at the last price of what they are on.

        One on what nobody has quoted yet waits for the first quote.
        """
        day, board = now // DAY, self._feed.board
        if day == self._settled_day and not any(map(board.get, self._unpriced)):
            return
        unit.on_rollback(partial(self._note_settled, self._settled_day, self._unpriced))
        expired, unpriced = self._expired(unit, now), set()
        for order in unit.live_orders_of(list(expired)):
            with left_out_if_impossible(order.id):
                end(order, unit, now, StatusReason.INSTRUMENT_EXPIRED)
        for position in unit.positions_of(list(expired)):
            instrument = expired[position.symbol]
            assert instrument.option is not None
            quote = board.get(instrument.option.underlying)
            if quote is None:
                unpriced.add(instrument.option.underlying)
                continue
            with left_out_if_impossible(f"{position.symbol} of {position.account_id}"):
                account = unit.account(position.account_id)
                unit.keep_account(settle(account, position, instrument, quote.mark, now))
        self._note_settled(day, frozenset(unpriced))

    def _note_settled(self, day: int, unpriced: frozenset[str]) -> None:
        self._settled_day, self._unpriced = day, unpriced

    def _expired(self, unit: UnitOfWork, now: Micros) -> dict[str, Instrument]:
        """Return the options in use that have expired, by symbol."""
        expired = {}
        for symbol in unit.symbols_in_use():
            instrument = self._feed.instruments.find(symbol)
            assert instrument is not None, f"{symbol} is in use and is no instrument"
            if instrument.has_expired(now):
                expired[symbol] = instrument
        return expired


def _note(unit: UnitOfWork, digest: str, reached: Micros, record: MarketRecord, mark: int) -> None:
    record.note(unit, mark)
    unit.store_replay(digest, reached)


def keep_first(doorbells: list[Doorbell], count: int) -> None:
    """Leave out the doorbells for what could not be stored."""
    del doorbells[count:]
