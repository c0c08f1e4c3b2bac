"""The six promises of order updates, each over its own history with kills and resumes."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.reliability.histories import History, Plan, run_history
from tests.reliability.journals import violations

HISTORIES = int(os.environ.get("SOAK_HISTORIES", "1"))

Keeps = Callable[[Plan], Awaitable[History]]


@pytest.fixture
def keeps(data_dir: Path) -> Keeps:
    """Return how to run a history and see that it breaks no promise."""

    async def keeps(plan: Plan) -> History:
        history = await run_history(data_dir, plan)
        assert history.kills == plan.kills
        transactions = [entry.transaction_end for entry in history.log]
        assert max(transactions.count(end) for end in set(transactions)) > 1
        for journal in history.journals:
            found = violations(journal, history.log, to_the_end=True)
            assert found == [], f"seed {plan.seed}, {journal.name}: {found[:5]}"
        return history

    return keeps


def seeds(first: int) -> "pytest.MarkDecorator":
    """Return one seed, or as many as the soak wants; no two tests share one."""
    return pytest.mark.parametrize("seed", range(first, first + 10_000 * HISTORIES, 10_000))


@seeds(1)
async def test_ordered(keeps: Keeps, seed: int) -> None:
    """Sequences grow, whatever the number of calls at once."""
    await keeps(Plan(seed=seed, rounds=50))


@seeds(2)
async def test_unique(keeps: Keeps, seed: int) -> None:
    """Nothing comes twice, however often a reader breaks off and resumes."""
    await keeps(Plan(seed=seed, rounds=15, patience=4))


@seeds(3)
async def test_atomic(keeps: Keeps, seed: int) -> None:
    """Changes of one transaction come together: halts cancel many orders at once."""
    await keeps(Plan(seed=seed, halts=0.2))


@seeds(4)
async def test_reliable(keeps: Keeps, seed: int) -> None:
    """Nothing is left out, though the server is killed again and again."""
    await keeps(Plan(seed=seed, kills=4))


@seeds(5)
async def test_resumable(keeps: Keeps, seed: int) -> None:
    """A stream can be resumed after any sequence ever received, even inside a transaction."""
    history = await keeps(Plan(seed=seed, rounds=10, patience=2, halts=0.1))

    ends = {entry.sequence: entry.transaction_end for entry in history.log}
    resumed = [made.after for journal in history.journals for made in journal.connections]
    assert any(after and ends[after] != after for after in resumed)


@seeds(6)
async def test_bookmarkable(keeps: Keeps, seed: int) -> None:
    """A heartbeat promises what was sent, also to a reader of symbols that nobody trades."""
    history = await keeps(Plan(seed=seed))

    [nothing] = [it for it in history.journals if it.name.endswith("of nothing that happens")]
    assert nothing.position == history.log[-1].sequence
