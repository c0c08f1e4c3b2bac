"""Rows of deposits, equity snapshots and equity curves, both ways."""

from typing import Any

from sqlalchemy import Row

from server.domain.account import (
    Account,
    Inflow,
    Snapshot,
)
from server.domain.equity_curve import EquityCurve, Returns
from server.storage.mapping import Values


def inflow_values(inflow: Inflow) -> Values:
    """Return the row of a deposit."""
    return {
        "account_id": inflow.account_id,
        "sequence": inflow.sequence,
        "time": inflow.time,
        "amount": inflow.amount,
        "equity_before": inflow.equity_before,
    }


def inflow_from(row: Row[Any]) -> Inflow:
    """Return the deposit of a row."""
    return Inflow(**row._mapping)


def snapshot_values(snapshot: Snapshot) -> Values:
    """Return the row of an equity snapshot."""
    return {
        "account_id": snapshot.account_id,
        "sequence": snapshot.sequence,
        "time": snapshot.time,
        "equity": snapshot.equity,
        "initial_value": snapshot.initial_value,
        "number": snapshot.number,
        "day_counts": snapshot.days.counts,
        "days_skipped": snapshot.days.skipped,
        "every_day": snapshot.days.every_day,
    }


def curve_values(account: Account, curve: EquityCurve) -> Values:
    """Return the row of an equity curve that has a point."""
    returns = curve.closed_returns
    return {
        "account_id": account.id,
        "epoch_sequence": account.epoch_sequence,
        "peak": curve.peak,
        "deepest_fall": curve.deepest_fall,
        "day": curve.day,
        "day_value": curve.day_value,
        "closed_value": curve.closed_value,
        "returns": returns.count,
        "mean_return": returns.mean,
        "squares": returns.squares,
        "downside": returns.downside,
        "first_return": returns.first,
        "returns_alike": returns.alike,
        "day_counts": curve.day_counts,
        "every_day": curve.every_day,
        "points": curve.points,
    }


def curve_from(row: Row[Any]) -> EquityCurve:
    """Return the equity curve of a row."""
    return EquityCurve(
        peak=row.peak,
        deepest_fall=row.deepest_fall,
        day=row.day,
        day_value=row.day_value,
        closed_value=row.closed_value,
        closed_returns=Returns(
            count=row.returns,
            mean=row.mean_return,
            squares=row.squares,
            downside=row.downside,
            first=row.first_return,
            alike=bool(row.returns_alike),
        ),
        day_counts=bool(row.day_counts),
        every_day=bool(row.every_day),
        points=row.points,
    )
