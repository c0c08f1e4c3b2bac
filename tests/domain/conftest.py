"""Options of these tests: slow tests run on request, and a run may have a planted bug."""

import os
from pathlib import Path

import pytest

from tests.domain.planted import BUGS
from tests.domain.planted.planting import VARIABLE, plant

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; left out unless asked for by -m slow")
    if VARIABLE in os.environ:
        plant(BUGS[os.environ[VARIABLE]])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow" in config.getoption("markexpr"):
        return
    left_out = {
        item for item in items if item.path.is_relative_to(HERE) and item.get_closest_marker("slow")
    }
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
