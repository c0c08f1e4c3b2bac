"""Standings: accounts with their positions and the sums of their equity curves."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, select

from server.application.ports import Holdings, Standing
from server.domain.account import Account, Position
from server.domain.equity_curve import EquityCurve
from server.domain.values import Micros
from server.storage import curve_mapping, mapping
from server.storage.tables import accounts, equity_curves, equity_snapshots, fills, positions


def standings_after(
    connection: Connection,
    account_id: str,
    limit: int,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> list[Standing]:
    """Return accounts that traded in their epoch, by id, from after `account_id` up to a limit.

    `conditions` are about their rows.
    """
    traded = (
        select(accounts)
        .where(accounts.c.id > account_id, accounts.c.fills > 0, *conditions)
        .order_by(accounts.c.id)
        .limit(limit)
    )
    found = [mapping.account_from(row) for row in connection.execute(traded)]
    if not found:
        return []
    first, last = found[0].id, found[-1].id
    held: dict[str, list[Position]] = {}
    holding = positions.c.account_id.between(first, last) & (positions.c.quantity != 0)
    for row in connection.execute(select(positions).where(holding)):
        held.setdefault(row.account_id, []).append(mapping.position_from(row))
    stored = select(equity_curves).where(equity_curves.c.account_id.between(first, last))
    curves = {
        (row.account_id, row.epoch_sequence): curve_mapping.curve_from(row)
        for row in connection.execute(stored)
    }
    standings = []
    for account in found:
        holdings = Holdings(account, held.get(account.id, []))
        kept = curves.get((account.id, account.epoch_sequence)) or _made_anew(connection, account)
        since = _traded_since(connection, account) if kept.day is None else None
        standings.append(Standing(holdings, kept, since))
    return standings


def curve(connection: Connection, account: Account) -> EquityCurve:
    """Return the equity curve of an account's epoch."""
    stored = select(equity_curves).where(
        equity_curves.c.account_id == account.id,
        equity_curves.c.epoch_sequence == account.epoch_sequence,
    )
    row = connection.execute(stored).one_or_none()
    return _made_anew(connection, account) if row is None else curve_mapping.curve_from(row)


def _traded_since(connection: Connection, account: Account) -> Micros | None:
    """Return the time of an epoch's first fill."""
    first = (
        select(fills.c.created_at)
        .where(fills.c.account_id == account.id, fills.c.sequence > account.epoch_sequence)
        .order_by(fills.c.sequence)
        .limit(1)
    )
    return connection.execute(first).scalar_one_or_none()


def _made_anew(connection: Connection, account: Account) -> EquityCurve:
    """Compute the curve from snapshots: a new epoch has none, an old database many."""
    point = equity_snapshots.c
    points = (
        select(point.time, point.initial_value)
        # Restricted by time too, so that the many snapshots of earlier epochs are not read.
        .where(point.account_id == account.id, point.time >= account.epoch_began_at)
        .where(point.sequence >= account.epoch_sequence)
        .order_by(point.sequence, point.time)
    )
    made = EquityCurve.begin(account.initial_balance)
    for time, value in connection.execute(points):
        made = made.added(time, value)
    return made
