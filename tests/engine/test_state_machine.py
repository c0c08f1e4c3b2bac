"""Fifteen thousand drawn steps on real engines, each audited."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from server.config import DATABASE_FILE
from server.domain.order import OrderUpdateType
from tests.engine.state_machine import Trading
from tests.support.databases import VARIABLE
from tests.support.postgresql import Server

STEPS = int(os.environ.get("SOAK_STEPS", "15000"))
PARTS = 3
RULES_A_MACHINE = 100
MACHINES_A_RUN = 7
SECONDS_A_STEP_MAX = 0.03


@pytest.mark.timeout(60 + STEPS // PARTS * SECONDS_A_STEP_MAX)
@pytest.mark.parametrize("part", range(PARTS))
def test_events_and_database_agree_after_every_step(part: int, empty_database: Path) -> None:
    def copy(directory: Path) -> Callable[[], None]:
        shutil.copy(empty_database, directory / DATABASE_FILE)
        return lambda: None

    _go(part, copy)


@pytest.mark.timeout(60 + STEPS // PARTS * SECONDS_A_STEP_MAX)
def test_events_and_postgresql_agree_after_every_step(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(_: Path) -> Callable[[], None]:
        url = postgresql.new_database()
        monkeypatch.setenv(VARIABLE, url)
        return partial(postgresql.drop, url)

    _go(PARTS, make)


def _go(part: int, make_database: Callable[[Path], Callable[[], None]]) -> None:
    done, events = Counter[str](), Counter[str]()
    members = {"make_database": staticmethod(make_database), "done": done, "events": events}
    machine = type("Trading", (Trading,), members)
    run = 0
    while done.total() < STEPS / PARTS:
        run += 1
        run_state_machine_as_test(
            seed(1_000_000 * part + run)(machine),
            settings=settings(
                max_examples=MACHINES_A_RUN,
                stateful_step_count=RULES_A_MACHINE,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )

    assert done.total() * PARTS >= STEPS
    rules = {"place", "publish", "change", "batch", "squeeze", "pass time", "restart"}
    assert rules <= done.keys()
    assert {kind.value for kind in OrderUpdateType} <= events.keys()
    assert {"DEPOSIT", "RESET", "TRADING_STATE", "POSITION_CLOSED"} <= events.keys()
