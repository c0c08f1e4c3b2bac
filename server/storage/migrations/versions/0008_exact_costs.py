"""Costs of positions to 8 decimals, their average as a stored fact, and the rounding of fills."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

UNITS = sa.BigInteger()
SCALE = 10**8
OPTION_MULTIPLIER = 100
ACCOUNTS_AT_ONCE = 1_000

_HOLDERS = sa.text(
    "SELECT DISTINCT account_id FROM positions WHERE quantity > 0 AND account_id > :after"
    " ORDER BY account_id LIMIT :limit"
)
_HELD = sa.text(
    "SELECT symbol, quantity, cost_basis, buy_fees FROM positions"
    " WHERE account_id = :account_id AND quantity > 0"
)
_FILLS = sa.text(
    "SELECT symbol, asset_type, side, quantity, price, amount FROM fills"
    " WHERE account_id = :account_id ORDER BY sequence DESC"
)
_STORE = sa.text(
    "UPDATE positions SET average_cost = :average, cost_basis = :basis, buy_fees = :fees"
    " WHERE account_id = :account_id AND symbol = :symbol"
)


def upgrade() -> None:
    """Move the cost of rounding from the cost basis of each position to its fees.

    Their sum stays what was paid, so that reported profits and losses stay true. Older fills have
    no rounding, because it is not known separately from their amounts.
    """
    average = sa.Column("average_cost", UNITS, nullable=False, server_default=sa.text("0"))
    op.add_column("positions", average)
    op.add_column("fills", sa.Column("rounding", UNITS))
    connection = op.get_bind()
    page, after = {"after": "", "limit": ACCOUNTS_AT_ONCE}, ""
    while accounts := connection.execute(_HOLDERS, {**page, "after": after}).scalars().all():
        for account_id in accounts:
            _convert(connection, account_id)
        after = accounts[-1]


def _convert(connection: sa.Connection, account_id: str) -> None:
    account = {"account_id": account_id}
    held = {row.symbol: row for row in connection.execute(_HELD, account)}
    bought = _fills_of_what_is_held(
        connection, account, {symbol: row.quantity for symbol, row in held.items()}
    )
    for symbol, row in held.items():
        average, basis = _cost(bought[symbol])
        paid = row.cost_basis + row.buy_fees
        values = {"symbol": symbol, "average": average, "basis": basis, "fees": paid - basis}
        connection.execute(_STORE, {**account, **values})


def _fills_of_what_is_held(
    connection: sa.Connection, account: dict[str, str], open_quantities: dict[str, int]
) -> dict[str, list[sa.Row[Any]]]:
    """Return by symbol the fills since the position was last empty, oldest first.

    The search goes backwards, because resets and settlements empty positions without a fill.
    """
    found: dict[str, list[sa.Row[Any]]] = {symbol: [] for symbol in open_quantities}
    with connection.execute(_FILLS, account) as fills:
        for fill in fills:
            if fill.symbol not in open_quantities:
                continue
            found[fill.symbol].append(fill)
            open_quantities[fill.symbol] -= fill.quantity if fill.side == "BUY" else -fill.quantity
            if open_quantities[fill.symbol] == 0:
                del open_quantities[fill.symbol]
            if not open_quantities:
                break
    return {symbol: fills[::-1] for symbol, fills in found.items()}


def _cost(fills: list[sa.Row[Any]]) -> tuple[int, int]:
    """Return average and basis that fills leave; a sale takes its share of the basis."""
    multiplier = _multiplier(fills)
    quantity = average = basis = 0
    for fill in fills:
        if fill.side == "BUY":
            worth = fill.quantity * fill.price
            average = _nearest(average * quantity + worth, quantity + fill.quantity)
            basis += _nearest(worth * multiplier, SCALE)
            quantity += fill.quantity
        else:
            basis -= _nearest(basis * fill.quantity, quantity)
            quantity -= fill.quantity
    return average, basis


def _multiplier(fills: list[sa.Row[Any]]) -> int:
    """Return the units in a contract; for a commodity, derived from the amounts of its fills."""
    if fills[0].asset_type == "OPTION":
        return OPTION_MULTIPLIER
    if fills[0].asset_type != "COMMODITY":
        return 1
    amount, worth = (
        sum(fill.amount for fill in fills),
        sum(fill.quantity * fill.price for fill in fills),
    )
    return max(_nearest(amount * SCALE, worth), 1)


def _nearest(numerator: int, denominator: int) -> int:
    """Divide by a positive number, ties to the even one."""
    quotient, remainder = divmod(numerator, denominator)
    odd = quotient % 2
    return quotient + (2 * remainder + odd > denominator)
