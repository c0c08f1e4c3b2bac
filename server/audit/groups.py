"""Order groups of a replayed log: what they have left, and whether their orders fit together."""

from collections import defaultdict
from collections.abc import Callable

from bottrading.v1 import order_pb2
from server.audit.replay import Replay, ReplayedOrder
from server.domain.values import Units


def left_by(replay: Replay, side: int) -> dict[str, Units]:
    """Return by symbol what live orders of a side have left; the exits of a group count once.

    BUY orders count only on margin: elsewhere they hold back money.
    """
    by_group: dict[tuple[str, str], Units] = defaultdict(int)
    for order in replay.orders.values():
        counts = side == order_pb2.SIDE_SELL or (replay.margin.is_margin and order.is_marginable)
        if counts and order.is_live and order.side == side and not order.is_held:
            name = (order.symbol, order.group)
            by_group[name] = max(by_group[name], order.leaves)
    left: dict[str, Units] = defaultdict(int)
    for (symbol, _), quantity in by_group.items():
        left[symbol] += quantity
    return left


def check_groups(replay: Replay, say: Callable[[str], object]) -> None:
    """Report groups with an exit that should have ended, or that closes too much."""
    for name, members in replay.groups.items():
        orders = [replay.orders[member] for member in members]
        entries = [order for order in orders if order.is_entry]
        exits = [order for order in orders if not order.is_entry]
        problem = _problem(entries, exits)
        if problem is not None:
            say(f"group {name}: {problem}")


def _problem(entries: list[ReplayedOrder], exits: list[ReplayedOrder]) -> str | None:
    live = [order for order in exits if order.is_live]
    left = {order.leaves for order in live if not order.is_held}
    closed = sum(order.filled for order in exits)
    if len(left) > 1:
        return "its exits have different quantities left"
    for entry in entries:
        # What reduced an older position is not for the exits.
        opened = entry.filled - entry.closed
        if closed + sum(left) > opened:
            return "its exits close more than the entry opened"
        if any(order.is_held != (entry.is_live and not opened) for order in live):
            return "an exit is held after the entry opened or ended, or is not held before"
        if entry.is_live and any(order.filled or order.is_triggered for order in exits):
            return "the entry goes on after an exit acted"
    return None
