"""An auditor of order groups: what the orders of a group may be at the same time."""

from collections import defaultdict

from server.domain.order import Order

ENDED = {"FILLED", "CANCELLED", "REJECTED"}


class GroupAuditor:
    """Follows the groups of one account; `orders` are its orders by id, kept up to date."""

    def __init__(self, orders: dict[str, Order]) -> None:
        self.orders = orders
        self._groups: dict[str, list[str]] = defaultdict(list)
        self._touched: set[str] = set()
        self.released: dict[str, set[str]] = defaultdict(set)
        """By symbol, the exits that were released since its newest quote: they act on the next."""
        self._given_up: dict[str, int] = defaultdict(int)
        """By order, what an exit of a MARGIN account gave up, as the position did without it."""

    def hear(
        self, before: Order | None, order: Order, update: str, *, is_margin: bool = False
    ) -> None:
        """Check what an event may change of an order's place in its group."""
        role = order.role
        if role is None:
            assert update != "RELEASED", "an order that stands alone is released"
            return
        name = role.parent_order_id or order.id
        self._touched.add(name)
        if before is None:
            self._groups[name].append(order.id)
            is_leg = role.leg.value != "ENTRY"
            assert (role.parent_order_id is None) == (len(self._groups[name]) == 1)
            assert role.is_held == (is_leg and role.order_class.value != "OCO")
            return
        held = before.role is not None and before.role.is_held
        assert role.is_held == (held and update != "RELEASED"), "held again, or still"
        if update == "RELEASED":
            assert held, "released twice"
            self.released[order.symbol].add(order.id)
        if is_margin and update == "REPLACED" and order.is_exit and not order.is_held:
            self._given_up[order.id] += max(before.quantity - order.quantity, 0)
        if order.is_held:
            assert update in {"REPLACED", "CANCELLED"}, f"a held exit is {update}"

    def compare(self) -> None:
        """Check the groups that changed since the last time."""
        for name in self._touched:
            self._check([self.orders[member] for member in self._groups[name]])
        self._touched.clear()

    def _check(self, group: list[Order]) -> None:
        entries = [order for order in group if order.role and order.role.leg.value == "ENTRY"]
        exits = [order for order in group if order not in entries]
        live = [order for order in exits if order.status.value not in ENDED]
        if group[0].status.value == "REJECTED":
            assert len(group) == 1, "a part of a rejected group exists"
            return
        assert group[0].role is not None
        assert group[0].role.leg_order_ids == tuple(order.id for order in group[1:])
        sizes = {"BRACKET": 3, "OCO": 2, "OTO": 2}
        assert len(group) == sizes[group[0].role.order_class.value]
        sold = sum(order.filled_quantity for order in exits)
        left = {order.quantity - order.filled_quantity for order in live if not order.is_held}
        assert len(left) <= 1, "the exits of a group have different quantities left"
        for order in exits:
            for_exits = order.status_reason and order.status_reason.value
            assert for_exits != "EXIT_FILLED", "an exit ends like an entry"
            if for_exits == "SIBLING_FILLED":
                assert sold, "nothing was sold instead"
        acted = any(order.filled_quantity or order.triggered_at is not None for order in exits)
        for entry in entries:
            bought = entry.filled_quantity - entry.closed_quantity
            lives = entry.status.value not in ENDED
            assert not (acted and lives), "an entry goes on after an exit acted"
            assert sold + sum(left) <= bought, "the exits sell more than the entry bought"
            if lives and left:
                kept = {bought - self._given_up[order.id] for order in live}
                assert left == kept, "an exit does not follow its entry"
            for order in live:
                assert order.is_held == (lives and not bought), "an exit waits for nothing"
                if order.is_held:
                    assert order.quantity == entry.quantity, "a held exit has another quantity"
            assert lives or bought or not live, "an orphan leg"
            reason = entry.status_reason and entry.status_reason.value
            assert (reason == "EXIT_FILLED") <= acted, "no exit acted"
