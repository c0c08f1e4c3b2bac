"""Verifying: checks that everything in a database agrees."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from server.audit.comparing import AccountAudit
from server.storage.audit_rows import (
    AccountRows,
    account_ids,
    integrity,
    strays,
    totals,
)
from server.storage.commit_mark import read_mark, stored_mark
from server.storage.database import open_readers, snapshot
from server.storage.location import Location

INTEGRITY_LINES_MAX = 100
ACCOUNTS_AT_ONCE = 1_000


@dataclass(slots=True)
class Verdict:
    """The findings, and how much was checked."""

    accounts: int = 0
    events: int = 0
    orders: int = 0
    fills: int = 0
    transactions: int = 0
    findings: list[str] = field(default_factory=list)


Progress = Callable[[int, int], object]
"""Called with the number of log entries read so far, and with their total."""


def verify(path: Location, *, progress: Progress = lambda _done, _all: None) -> Verdict:
    """Check a database, which must have the schema of this version; a server may be running.

    Each account is checked as of one moment. Raise StorageUnavailable if the database cannot be
    opened, StorageBroken if SQLite cannot read all of it.
    """
    verdict = Verdict()
    engine = open_readers(path)
    try:
        with snapshot(engine) as connection:
            verdict.findings += integrity(connection, INTEGRITY_LINES_MAX)
        with snapshot(engine) as connection:
            verdict.findings += [
                f"{name}: has rows whose account or person is missing"
                for name in strays(connection)
            ]
        _check_mark(engine, path, verdict)
        _check_accounts(engine, verdict, progress)
    finally:
        engine.dispose()
    return verdict


def _check_mark(engine: Engine, path: Location, verdict: Verdict) -> None:
    # The mark is read before the database, because a running server goes on counting.
    marked = read_mark(path)
    with snapshot(engine) as connection:
        stored = stored_mark(connection, path)
    verdict.transactions = stored.number
    if marked is None:
        return
    if not marked.is_of(stored):
        verdict.findings.append("the commit mark belongs to another database")
    elif marked.number > stored.number:
        verdict.findings.append(
            f"at least the last {marked.number - stored.number} of {marked.number} transactions"
            " that were committed are missing"
        )


def _check_accounts(engine: Engine, verdict: Verdict, progress: Progress) -> None:
    with snapshot(engine) as connection:
        _, expected = totals(connection)
    after = ""
    progress(0, expected)
    while True:
        with snapshot(engine) as connection:
            names = account_ids(connection, after, ACCOUNTS_AT_ONCE)
        for account_id in names:
            # One transaction per account: a long one would keep a server from checkpointing its
            # write-ahead log.
            with snapshot(engine) as connection:
                audit = AccountAudit(AccountRows(connection, account_id))
                audit.run()
            verdict.accounts += 1
            verdict.events += audit.replay.events
            verdict.orders += len(audit.replay.orders)
            verdict.fills += audit.fills
            verdict.findings += [f"account {account_id}: {told}" for told in audit.findings]
            progress(verdict.events, max(expected, verdict.events))
        if not names:
            return
        after = names[-1]
