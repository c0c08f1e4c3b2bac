"""Accounts that a ranking ranks, made without trading."""

from pathlib import Path

from tests.support.databases import opened


def add_accounts(data_dir: Path, count: int) -> None:
    """Store accounts that traded, each with a user; the higher the number, the richer."""
    with opened(data_dir) as connection:
        connection.execute(
            "INSERT INTO users WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " SELECT 'u' || i, 'i', 's' || i, 'user ' || i, 'FREE', FALSE, i, i, 0 FROM n",
            (count,),
        )
        columns = connection.columns("accounts")
        given = {
            "id": "substr(users.id, 2)",
            "user_id": "users.id",
            "created_at": "created_at",
            "balance": "100000000000 + created_at * 1000000",
            "initial_balance": "100000000000",
            "deposits": "100000000000",
            "initial_share": "1",
            "fills": "1",
            "trading_state": "'ACTIVE'",
            "margin_mode": "'CASH'",
            "had_margin": "false",
            "traded": "''",
            "order_notional_max": "NULL",
            "position_share_max": "NULL",
            "daily_loss_max": "NULL",
        }
        values = ", ".join(given.get(name, "0") for name in columns)
        connection.execute(f"INSERT INTO accounts SELECT {values} FROM users")
