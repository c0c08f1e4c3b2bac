"""Rankings: a separate file beside the database, which is always replaced as a whole.

Each account is ranked by its state at one moment, but different accounts at different moments.
SQLite aggregates and ranks without the interpreter lock and writes nothing to the database, so
neither calls nor the engine wait. A lost file is soon rebuilt.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row

from server.application.leaderboard import Period, Place
from server.application.ports import StorageUnavailable
from server.application.return_curves import Span
from server.domain.account import MarginMode, TradeStatistics
from server.domain.equity_curve import EquityCurve
from server.domain.values import AMOUNT_LIMIT, CENT, Micros
from server.storage import curve_mapping
from server.storage.database import open_readers, snapshot
from server.storage.location import Location
from server.storage.sqlite import open_scratch

RANKINGS_FILE = "rankings.sqlite3"

NEW_FILE = "rankings.new.sqlite3"

ACCOUNTS_AT_ONCE = 10_000
"""Accounts read per transaction; a long one would keep the engine from checkpointing its log."""

BEYOND_ALL_IDS = "~"

_WORTHS = "CREATE TEMP TABLE worths (symbol TEXT PRIMARY KEY, worth REAL NOT NULL) WITHOUT ROWID"
_LAST = "SELECT id FROM venue.accounts WHERE id > :after ORDER BY id LIMIT 1 OFFSET :others"
# Equity as `total_equity` rounds it (half cents to even), and then `initial_value`. An account is
# bankrupt and has no rank if its `initial_share` is 0. In a CASH account that takes a deposit into
# an equity of 0, which is a return of -100 % like any other.
_RANKED = """
SELECT id, name, ranked_as AS margin_mode, resets, trades, wins, initial_balance, :now AS time,
    CAST(printf('%.13g', initial_share * :cent * (
        (equity + :cent / 2 - (equity / :cent % 2 = 0)) / :cent
    )) AS REAL) AS value,
    initial_balance AS since_all, {begun_with}, epoch_began_at,
    owner.epoch_sequence AS epoch, curve.*
FROM (
    SELECT accounts.*, users.name,
        CASE WHEN had_margin THEN 'MARGIN' ELSE 'CASH' END AS ranked_as,
        CAST(max(min(balance + (
        SELECT total(ifnull(round(quantity * worth), cost_basis))
        FROM venue.positions AS held LEFT JOIN worths USING (symbol)
        WHERE held.account_id = accounts.id AND quantity != 0
    ), :most), 0) AS INTEGER) AS equity
    FROM venue.accounts JOIN venue.users ON users.id = accounts.user_id
    WHERE accounts.id > :after AND accounts.id <= :last AND fills > 0 AND NOT is_operator
    AND (initial_share > 0 OR NOT had_margin) AND accounts.id = users.first_account_id
) AS owner
LEFT JOIN venue.equity_curves AS curve
    ON curve.account_id = owner.id AND curve.epoch_sequence = owner.epoch_sequence
ORDER BY id
"""
_BEGUN_WITH = """
CASE WHEN resets = 0 OR epoch_began_at <= :now - {width} THEN ifnull((
    SELECT initial_value FROM venue.equity_snapshots AS taken
    WHERE taken.account_id = owner.id AND taken.time <= :now - {width}
    AND taken.time >= epoch_began_at AND taken.sequence >= owner.epoch_sequence
    ORDER BY taken.time DESC LIMIT 1
), initial_balance) END AS since_{name}
"""
_SELECT_RANKED = _RANKED.format(
    begun_with=", ".join(
        _BEGUN_WITH.format(width=period.value, name=period.name.lower())
        for period in Period
        if period.value is not None
    )
)
_PLACES = """
CREATE TABLE places (
    period TEXT, mode TEXT, position INTEGER, rank INTEGER, row INTEGER, return_pct REAL,
    PRIMARY KEY (period, mode, position)
) WITHOUT ROWID
"""
_PLACE = """
INSERT INTO places
SELECT upper('{name}'), mode,
    row_number() OVER (PARTITION BY mode ORDER BY return_pct DESC, row),
    rank() OVER (PARTITION BY mode ORDER BY return_pct DESC), row, return_pct
FROM (
    SELECT rowid AS row, margin_mode AS mode,
        100 * (value - since_{name}) / since_{name} AS return_pct
    FROM ranked WHERE since_{name} > 0
)
"""
_INDEXES = (
    "CREATE UNIQUE INDEX ids ON ranked (id)",
    "CREATE UNIQUE INDEX rows ON places (row, period)",
)

_SELECT = (
    "SELECT ranked.*, position, rank, return_pct FROM places JOIN ranked ON ranked.rowid = row"
    " WHERE period = :period"
)
_PAGE = f"{_SELECT} AND mode = :mode AND position > :after ORDER BY position LIMIT :limit"
_OWN = f"{_SELECT} AND id = :account_id"
_TOTAL = "SELECT ifnull(max(position), 0) FROM places WHERE period = :period AND mode = :mode"


class RankingsFile:
    """Rankings in a directory; none exist before the first refresh.

    `keep` is called with each new file before it is shown.
    """

    def __init__(self, directory: Path, database: Location) -> None:
        self._path, self._new = directory / RANKINGS_FILE, directory / NEW_FILE
        self._database = database
        self._venue = None if isinstance(database, Path) else open_readers(database)
        self._readers: Engine | None = None
        self._interrupt: Callable[[], object] = _nothing
        self._is_closed = False
        self.keep: Callable[[Path], object] = _nothing

    def close(self) -> None:
        """Stop a running refresh, and close all connections."""
        self._is_closed = True
        with suppress(sqlite3.ProgrammingError):  # The refresh has just ended.
            self._interrupt()
        for engine in (self._readers, self._venue):
            if engine is not None:
                engine.dispose()

    def refresh(self, worths: Sequence[tuple[str, float]], now: Micros) -> None:
        self._new.unlink(missing_ok=True)
        attached = self._database if isinstance(self._database, Path) else None
        engine = open_scratch(self._new, attached)
        try:
            with snapshot(engine) as connection:
                driver: Any = connection.connection.driver_connection
                self._interrupt = driver.interrupt
                if self._venue is None:
                    _fill(connection, worths, now)
                else:
                    from server.storage import postgresql_rankings as postgresql

                    postgresql.fill(
                        connection, self._venue, worths, now, BEYOND_ALL_IDS, self._goes_on
                    )
                _rank(connection)
        finally:
            self._interrupt = _nothing
            engine.dispose()
        self.keep(self._new)
        self._show()

    def take(self, parts: Iterable[bytes]) -> None:
        """Show the ranking of a file that was made elsewhere."""
        with self._new.open("wb") as file:
            file.writelines(parts)
        self._show()

    def _show(self) -> None:
        self._new.replace(self._path)
        if self._readers is None:
            self._readers = open_readers(self._path)
        # Current readers go on with the old file; later readers open the new one.
        self._readers.dispose()

    def _goes_on(self) -> None:
        if self._is_closed:
            raise StorageUnavailable("the refresh of the ranking was stopped")

    def places(
        self, period: Period, mode: MarginMode | None, after: int, limit: int, account_id: str
    ) -> tuple[list[Place], Place | None, int]:
        if self._readers is None:
            raise StorageUnavailable("no ranking is made yet")
        with snapshot(self._readers) as connection:
            named = {"period": period.name, "account_id": account_id}
            own = connection.exec_driver_sql(_OWN, named).one_or_none()
            if mode is None:
                mode = MarginMode.CASH if own is None else MarginMode(own.margin_mode)
            elif own is not None and own.margin_mode != mode.value:
                own = None
            values = {"period": period.name, "mode": mode.value, "after": after, "limit": limit}
            page = connection.exec_driver_sql(_PAGE, values).all() if limit else ()
            total = connection.exec_driver_sql(_TOTAL, values).scalar_one()
        places = [_place(row, period) for row in page]
        return places, None if own is None else _place(own, period), total


def _nothing(*_: object) -> None:
    """Do nothing: no refresh runs that could be interrupted, or nobody keeps a file."""


def _fill(connection: Connection, worths: Sequence[tuple[str, float]], now: Micros) -> None:
    """Fill the new table `ranked` from the attached file."""
    connection.exec_driver_sql(_WORTHS)
    if worths:
        connection.exec_driver_sql("INSERT INTO worths VALUES (?, ?)", list(worths))
    terms = {"cent": CENT, "most": AMOUNT_LIMIT, "now": now, "after": "", "last": ""}
    connection.exec_driver_sql(f"CREATE TABLE ranked AS {_SELECT_RANKED}", terms)
    others = ACCOUNTS_AT_ONCE - 1
    while terms["last"] != BEYOND_ALL_IDS:
        chunk = connection.exec_driver_sql(_LAST, {"after": terms["after"], "others": others})
        terms["last"] = chunk.scalar_one_or_none() or BEYOND_ALL_IDS
        connection.exec_driver_sql(f"INSERT INTO ranked {_SELECT_RANKED}", terms)
        terms["after"] = terms["last"]


def _rank(connection: Connection) -> None:
    """Rank the rows of the table `ranked` for each period."""
    connection.exec_driver_sql(_PLACES)
    for period in Period:
        connection.exec_driver_sql(_PLACE.format(name=period.name.lower()))
    for index in _INDEXES:
        connection.exec_driver_sql(index)


def _place(row: Row[Any], period: Period) -> Place:
    curve = (
        EquityCurve.begin(row.initial_balance)
        if row.peak is None
        else curve_mapping.curve_from(row)
    )
    return Place(
        position=row.position,
        rank=row.rank,
        account_id=row.id,
        display_name=row.name,
        margin_mode=MarginMode(row.margin_mode),
        was_reset=row.resets > 0,
        return_pct=row.return_pct,
        statistics=TradeStatistics(trades=row.trades, wins=row.wins),
        curve=curve.added(row.time, row.value),
        span=Span(
            account_id=row.id,
            epoch_sequence=row.epoch,
            epoch_began_at=row.epoch_began_at,
            start=period.start(row.time, row.epoch_began_at),
            end=row.time,
            value=getattr(row, f"since_{period.name.lower()}"),
        ),
    )
