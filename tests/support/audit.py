"""An auditor of a stopped venue: rebuilds every account from its log and compares."""

import sqlite3
from collections import defaultdict
from pathlib import Path

from bottrading.v1 import order_pb2, order_update_pb2
from server.config import DATABASE_FILE

EPOCH_BEGINS = (
    order_update_pb2.ACCOUNT_UPDATE_TYPE_OPENED,
    order_update_pb2.ACCOUNT_UPDATE_TYPE_RESET,
)
LIVE = (order_pb2.ORDER_STATUS_OPEN, order_pb2.ORDER_STATUS_PARTIALLY_FILLED)


def audit(data_dir: Path) -> set[str]:
    """Check all accounts of a database against their logs; return the ids of all orders."""
    path = data_dir / DATABASE_FILE
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        orders: set[str] = set()
        for account in connection.execute("SELECT * FROM accounts"):
            orders |= _audit_account(connection, account)
        return orders
    finally:
        connection.close()


def _audit_account(connection: sqlite3.Connection, account: sqlite3.Row) -> set[str]:
    """Check one account: in each epoch, what came in and the fills make the balance."""
    balance = deposits = fills = resets = begun = 0
    orders: dict[str, order_pb2.Order] = {}
    positions: dict[str, int] = defaultdict(int)
    log = connection.execute(
        "SELECT sequence, payload FROM events WHERE account_id = ? ORDER BY sequence",
        (account["id"],),
    ).fetchall()
    for number, (sequence, payload) in enumerate(log, start=1):
        event = order_update_pb2.AccountEvent.FromString(payload)
        assert sequence == event.sequence == number, "the log has a gap"
        if event.HasField("account_update"):
            change = event.account_update
            if change.type in EPOCH_BEGINS:
                assert not any(order.status in LIVE for order in orders.values()), "a live order"
                balance = deposits = fills = 0
                positions.clear()
                resets, begun = resets + (number > 1), number
            if change.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_SETTLED:
                held = positions.pop(change.settlement.symbol)
                assert held == _units(change.settlement.quantity)
                balance += _cents(change.settlement.amount)
            if change.HasField("amount"):
                balance += _cents(change.amount)
                deposits += _cents(change.amount)
            assert _cents(change.balance) == balance
            continue
        update = event.order_update
        orders[update.order.id] = update.order
        if update.HasField("fill"):
            fills += 1
            buys = update.fill.side == order_pb2.SIDE_BUY
            sign = 1 if buys else -1
            positions[update.fill.symbol] += sign * _units(update.fill.quantity)
            balance -= sign * _cents(update.fill.amount) + _cents(update.fill.fee)
    assert account["sequence"] == len(log)
    assert account["balance"] == balance * 10**6
    assert account["deposits"] == deposits * 10**6
    assert (account["resets"], account["epoch_sequence"]) == (resets, begun)
    assert account["fills"] == fills
    assert account["reserved"] == sum(
        _cents(order.reserved) * 10**6 for order in orders.values() if order.status in LIVE
    )
    _audit_orders(connection, account["id"], orders)
    stored = connection.execute(
        "SELECT symbol, quantity FROM positions WHERE account_id = ? AND quantity > 0",
        (account["id"],),
    )
    assert dict(stored.fetchall()) == {name: units for name, units in positions.items() if units}
    return set(orders)


def _audit_orders(
    connection: sqlite3.Connection, account_id: str, orders: dict[str, order_pb2.Order]
) -> None:
    rows = connection.execute("SELECT * FROM orders WHERE account_id = ?", (account_id,)).fetchall()
    assert {row["id"] for row in rows} == set(orders)
    for row in rows:
        order = orders[row["id"]]
        status = order_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")
        assert row["status"] == status
        assert row["filled_quantity"] == _units(order.filled_quantity)
        filled = connection.execute(
            "SELECT coalesce(sum(quantity), 0) FROM fills WHERE account_id = ? AND order_id = ?",
            (account_id, row["id"]),
        ).fetchone()[0]
        assert filled == row["filled_quantity"]


def _units(text: str) -> int:
    whole, fraction = text.split(".")
    return int(whole + fraction)


def _cents(text: str) -> int:
    return int(text.replace(".", ""))
