"""Order groups of a replayed log: what they hold back, and whether their orders fit together."""

from collections import defaultdict
from collections.abc import Callable

from bottrading.v1 import order_pb2
from server.audit.replay import Replay, ReplayedOrder
from server.domain.values import Units


def held_back_by(replay: Replay) -> dict[str, Units]:
    """Return by symbol what live SELL orders hold back; the exits of a group do so once."""
    by_group: dict[tuple[str, str], Units] = defaultdict(int)
    for order in replay.orders.values():
        if order.is_live and order.side == order_pb2.SIDE_SELL and not order.is_held:
            name = (order.symbol, order.group)
            by_group[name] = max(by_group[name], order.leaves)
    held_back: dict[str, Units] = defaultdict(int)
    for (symbol, _), quantity in by_group.items():
        held_back[symbol] += quantity
    return held_back


def check_groups(replay: Replay, say: Callable[[str], object]) -> None:
    """Report groups with an exit that should have ended, or that sells too much."""
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
    sold = sum(order.filled for order in exits)
    if len(left) > 1:
        return "its exits have different quantities left"
    for entry in entries:
        if sold + sum(left) > entry.filled:
            return "its exits sell more than the entry bought"
        if any(order.is_held != (entry.is_live and not entry.filled) for order in live):
            return "an exit is held after the entry filled or ended, or is not held before"
        if entry.is_live and any(order.filled or order.is_triggered for order in exits):
            return "the entry goes on after an exit acted"
    return None
