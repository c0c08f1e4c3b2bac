"""Planted bugs of closing positions: what is cancelled for a close, and when it is repeated."""

from collections.abc import Callable, Sequence
from typing import Any

from server.domain.account import Position
from server.domain.closing import CloseTicket
from server.domain.errors import Refusal
from server.domain.instrument import Instrument
from server.domain.order import Order, StatusReason
from server.domain.posting import Decision
from server.domain.values import Micros, Units
from tests.domain.planted.planting import bug_in


@bug_in("closing.close")
def a_close_cancels_the_oldest_sale_first(
    close: Callable[..., Decision],
    ticket: Any,
    order_id: str,
    account: Any,
    position: Position,
    holders: Sequence[Order],
    *rest: Any,
) -> Decision:
    return close(ticket, order_id, account, position, holders[::-1], *rest)


@bug_in("closing.closing_already")
def a_repeated_close_takes_the_place_of_the_first(
    closing_already: Callable[..., Order | None], *values: Any
) -> Order | None:
    return None


@bug_in("closing.closing_already")
def a_close_of_a_part_is_taken_for_one_that_waits(
    closing_already: Callable[..., Order | None],
    quantity: Units,
    position: Position,
    holders: Sequence[Order],
) -> Order | None:
    return next((it for it in holders if it.leaves_quantity == quantity), None)


@bug_in("closing._ending")
def an_overdue_sale_ends_by_a_close(
    ending: Callable[..., StatusReason], holder: Order, now: Micros
) -> StatusReason:
    return StatusReason.POSITION_CLOSED


@bug_in("closing.CloseTicket.quantity_of")
def more_than_the_position_closes_all_of_it(
    quantity_of: Callable[..., Units | Refusal],
    ticket: CloseTicket,
    position: Position,
    instrument: Instrument,
) -> Units | Refusal:
    found = quantity_of(ticket, position, instrument)
    too_much = ticket.quantity is not None and ticket.quantity > position.quantity > 0
    return position.quantity if too_much else found
