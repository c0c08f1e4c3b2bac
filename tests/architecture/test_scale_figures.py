"""The page about scale shows what the bench has measured, and knows every table."""

import json
import re

import pytest

from bench.scale import ORDERS, PROCESSOR_MAX, RATE_MIN, REPLICAS_MAX, service_us
from docs.scale import MEASURED, PAGE, costs_of, filled, limits, needs, tables
from server.storage.tables import metadata


def test_the_page_about_scale_shows_the_figures_that_were_measured() -> None:
    page = PAGE.read_text()

    assert filled(page, tables(json.loads(MEASURED.read_text()))) == page, (
        "write its tables anew: `.venv/bin/python -m docs.scale`"
    )


def test_the_measured_figures_reach_their_goals() -> None:
    measured = json.loads(MEASURED.read_text())
    file, server = measured["calls"][ORDERS]
    one, two, _ = measured["replicas"][ORDERS]

    assert server["rate"] >= RATE_MIN * file["rate"]
    assert service_us(server) <= PROCESSOR_MAX * service_us(file)
    assert service_us(two) <= REPLICAS_MAX * service_us(one)


def test_the_page_about_scale_says_what_becomes_of_every_table() -> None:
    beyond = PAGE.read_text().partition("## Beyond one PostgreSQL")[2]
    rows = [line.split("|")[1] for line in beyond.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert sorted(named) == sorted(metadata.tables)


def test_twice_as_many_accounts_need_twice_as_much() -> None:
    measured = json.loads(MEASURED.read_text())
    one, two = (needs(measured, accounts) for accounts in (100_000, 200_000))

    for name in ("orders_a_second", "front_cores", "log_bytes_a_second", "stored_a_day"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name))
    assert two.connections == 8 * two.servers
    assert 1 < two.servers / one.servers <= 2
    assert all(accounts > 0 for _, _, accounts in limits(measured))


def test_a_call_that_is_passed_on_costs_more() -> None:
    alone, shared = (
        costs_of(json.loads(MEASURED.read_text()), passed_on=it) for it in (False, True)
    )

    assert shared.order.front_us > alone.order.front_us
    assert shared.read.engine_us > alone.read.engine_us
    assert shared.snapshot == alone.snapshot
