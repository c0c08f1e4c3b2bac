"""Groups for random trading: the exits that a drawn order gets."""

from typing import Protocol

from server.domain.order import ExitTicket, Leg, OrderType, Side, TimeInForce
from server.domain.values import SCALE, Price, Units


class Drawn(Protocol):
    """What of a drawn order decides its exits."""

    @property
    def side(self) -> Side: ...

    @property
    def time_in_force(self) -> TimeInForce: ...

    @property
    def take_percent(self) -> int | None: ...

    @property
    def loss_percent(self) -> int | None: ...


def make_group(
    step: Drawn, level: Units, held: Units, *, may_be_short: bool
) -> tuple[bool, tuple[ExitTicket, ...]]:
    """Return whether an order is an OCO, and its exits, the take-profit first."""
    closes = step.side is (Side.BUY if held < 0 else Side.SELL)
    both = step.take_percent is not None and step.loss_percent is not None
    if closes and both and step.time_in_force.rests:
        return True, _exits(step, level, mirrored=step.side is Side.BUY)
    if step.side is Side.SELL and not may_be_short:
        return False, ()
    return False, _exits(step, level, mirrored=step.side is Side.SELL)


def _exits(step: Drawn, level: Units, *, mirrored: bool) -> tuple[ExitTicket, ...]:
    """Return the exits of an order; those that buy lie on the other sides of the level."""
    take, loss = step.take_percent, step.loss_percent
    if mirrored:
        take, loss = (None if it is None else 200 - it for it in (take, loss))
    exits = list[ExitTicket]()
    if take is not None:
        exits.append(
            ExitTicket(
                leg=Leg.TAKE_PROFIT,
                order_type=OrderType.LIMIT,
                limit_price=Price(level * take // 100),
                stop_price=None,
            )
        )
    if loss is not None and loss % 5 == 0:
        # These trail, by up to a quarter of the level.
        exits.append(_trailing_exit(level, loss // 5))
    elif loss is not None:
        # Some stop-losses have a limit, and some last for a day only.
        has_limit, lasts = loss % 3 == 0, loss % 4 == 0
        exits.append(
            ExitTicket(
                leg=Leg.STOP_LOSS,
                order_type=OrderType.STOP_LIMIT if has_limit else OrderType.STOP,
                limit_price=Price(level * (loss - 1) // 100) if has_limit else None,
                stop_price=Price(level * loss // 100),
                time_in_force=TimeInForce.DAY if lasts else TimeInForce.GTC,
            )
        )
    return tuple(exits)


def _trailing_exit(level: Units, percent: int) -> ExitTicket:
    by_amount = percent % 2 == 0
    return ExitTicket(
        leg=Leg.STOP_LOSS,
        order_type=OrderType.TRAILING_STOP,
        limit_price=None,
        stop_price=None,
        trail_amount=Price(level * percent // 100) if by_amount else None,
        trail_percent=None if by_amount else percent * SCALE,
        time_in_force=TimeInForce.DAY if percent % 3 == 0 else TimeInForce.GTC,
    )
