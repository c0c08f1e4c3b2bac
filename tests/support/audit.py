"""The audit of a venue's database, as `bottrading verify` makes it."""

from pathlib import Path

from server.audit.verifying import verify
from tests.support.databases import opened, stored_in

KEY_OF_NOBODY = "bot_keys: has rows whose account or person is missing"
"""An engine without a front is given a key that belongs to nobody."""


def audit(data_dir: Path) -> set[str]:
    """Check all accounts of a database against their logs; return the ids of all orders."""
    found = set(verify(stored_in(data_dir)).findings) - {KEY_OF_NOBODY}
    assert not found, found
    with opened(data_dir) as connection:
        return {order_id for (order_id,) in connection.execute("SELECT id FROM orders")}
