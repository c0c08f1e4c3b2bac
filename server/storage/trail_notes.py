"""Notes of trails: which orders begin and end to trail, within a unit of work."""

from collections.abc import Mapping, Sequence

from server.application.staging import Stage
from server.domain.account import Account
from server.domain.bar import Bar
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.sharding import shard_of
from server.domain.trailing import trails
from server.domain.watermarks import Watermarks
from server.storage.market_rows import MarketRows
from server.storage.trail_sets import AnyTrails, store_marks
from server.storage.trails import MarksKey


class TrailNotes(MarketRows):
    """The part of a unit of work that lets orders trail."""

    _trails: AnyTrails
    _trail_numbers: dict[str, int | None]
    _trails_before_step: Mapping[MarksKey, Watermarks] | None
    _accounts: dict[str, Account]
    stage: Stage

    def store_quotes(self, newest: Sequence[tuple[Quote, Bar]]) -> None:
        super().store_quotes(newest)
        marks = self._trails_before_step
        if marks is None:
            marks = self._trails.unstored()
            self._trails.stored(self.stage)
        store_marks(marks, self._session)

    def _note_trail(self, order: Order) -> None:
        if self._session.shards > 1:
            user_id = self._accounts[order.account_id].user_id
            self._trails.know(order.account_id, shard_of(user_id))
        number = self._trail_numbers.get(order.id)
        if trails(order):
            self._trail_numbers[order.id] = self._trails.join(order, number, self.stage)
        elif number is not None:
            self._trails.leave(order, self.stage)
            self._trail_numbers[order.id] = None
        elif order.is_held:
            # It does not trail yet, but its distance may have been replaced.
            self._trail_numbers[order.id] = None
