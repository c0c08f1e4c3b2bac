"""The audit of a venue's database, as `bottrading verify` makes it."""

import sqlite3
from pathlib import Path

from server.audit.verifying import verify
from server.config import DATABASE_FILE

KEY_OF_NOBODY = "bot_keys: has rows whose account or person is missing"
"""An engine without a front is given a key that belongs to nobody."""


def audit(data_dir: Path) -> set[str]:
    """Check all accounts of a database against their logs; return the ids of all orders."""
    path = data_dir / DATABASE_FILE
    found = set(verify(path).findings) - {KEY_OF_NOBODY}
    assert not found, found
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {order_id for (order_id,) in connection.execute("SELECT id FROM orders")}
    finally:
        connection.close()
