"""Rankings from PostgreSQL: the rows to rank, computed by the database and read in parts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine

from server.application.leaderboard import Period
from server.domain.values import AMOUNT_LIMIT, CENT, Micros
from server.storage.database import rows, snapshot
from server.storage.sql import Query

ACCOUNTS_AT_ONCE = 1_000
"""Accounts read at once: their rows pass through the interpreter, which calls wait for."""

_LAST = Query("SELECT id FROM accounts WHERE id > :after ORDER BY id LIMIT 1 OFFSET :others")
# Equity as `total_equity` rounds it (half cents to even), and then `initial_value` before its own
# rounding, which SQLite does.
_RANKED = """
SELECT id, name, ranked_as AS margin_mode, resets, trades, wins, initial_balance, :now AS time,
    initial_share * :cent * ((equity + :cent / 2 - (equity / :cent % 2 = 0)::int) / :cent) AS value,
    initial_balance AS since_all, {begun_with}, epoch_began_at,
    owner.epoch_sequence AS epoch, curve.*
FROM (
    SELECT accounts.*, users.name,
        CASE WHEN had_margin THEN 'MARGIN' ELSE 'CASH' END AS ranked_as,
        greatest(least(balance + (
        SELECT coalesce(sum(coalesce(
            sign(quantity * worth) * floor(abs(quantity * worth) + 0.5), cost_basis
        )), 0)
        FROM positions AS held
        LEFT JOIN unnest(:symbols::text[], :worths::float8[]) AS worths (symbol, worth)
            USING (symbol)
        WHERE held.account_id = accounts.id AND quantity != 0
    ), :most), 0)::bigint AS equity
    FROM accounts JOIN users ON users.id = accounts.user_id
    WHERE accounts.id > :after AND accounts.id <= :last AND fills > 0 AND NOT is_operator
    AND (initial_share > 0 OR NOT had_margin) AND accounts.id = users.first_account_id
) AS owner
LEFT JOIN equity_curves AS curve
    ON curve.account_id = owner.id AND curve.epoch_sequence = owner.epoch_sequence
ORDER BY id
"""
_BEGUN_WITH = """
CASE WHEN resets = 0 OR epoch_began_at <= :now - {width} THEN coalesce((
    SELECT initial_value FROM equity_snapshots AS taken
    WHERE taken.account_id = owner.id AND taken.time <= :now - {width}
    AND taken.time >= epoch_began_at AND taken.sequence >= owner.epoch_sequence
    ORDER BY taken.time DESC LIMIT 1
), initial_balance) END AS since_{name}
"""
_SELECT_RANKED = Query(
    _RANKED.format(
        begun_with=", ".join(
            _BEGUN_WITH.format(width=period.value, name=period.name.lower())
            for period in Period
            if period.value is not None
        )
    )
)


def fill(
    scratch: Connection,
    venue: Engine,
    worths: Sequence[tuple[str, float]],
    now: Micros,
    beyond_all_ids: str,
    goes_on: Callable[[], object],
) -> None:
    """Fill the new table `ranked` of a scratch file; `goes_on` may raise between two parts."""
    terms = {
        "cent": CENT,
        "most": AMOUNT_LIMIT,
        "now": now,
        "symbols": [symbol for symbol, _ in worths],
        "worths": [worth for _, worth in worths],
    }
    is_first = True
    for after, last in _parts(venue, beyond_all_ids):
        goes_on()
        with snapshot(venue) as connection:
            found = rows(connection, _SELECT_RANKED, {**terms, "after": after, "last": last})
            if is_first:
                scratch.exec_driver_sql(f"CREATE TABLE ranked ({', '.join(found.keys())})")
                is_first = False
            _store(scratch, found)


def _store(scratch: Connection, found: CursorResult[*tuple[Any, ...]]) -> None:
    places = ", ".join(
        "CAST(printf('%.13g', ?) AS REAL)" if name == "value" else "?" for name in found.keys()
    )
    values = [tuple(row) for row in found]
    if values:
        scratch.exec_driver_sql(f"INSERT INTO ranked VALUES ({places})", values)  # noqa: S608


def _parts(venue: Engine, beyond_all_ids: str) -> Iterator[tuple[str, str]]:
    """Yield the ids between which accounts are read at once."""
    after = ""
    while after != beyond_all_ids:
        with snapshot(venue) as connection:
            given = {"after": after, "others": ACCOUNTS_AT_ONCE - 1}
            last = rows(connection, _LAST, given).scalar_one_or_none() or beyond_all_ids
        yield after, last
        after = last
