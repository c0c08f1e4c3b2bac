"""A server that differs from one that runs the same venue says in what, and does not start."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from server.bootstrap.adapters import system_clock
from server.bootstrap.terms import terms_text
from server.config import SettingsError, load
from server.domain.values import SECOND
from server.processes import joining
from server.processes.joining import check_joining
from server.storage.postgresql import LOCK_SPACE
from tests.support.process import Process

ADDRESS = "tcp:10.0.0.7:7000"
OTHER = "00000000-0000-4000-8000-000000000007"
UNIVERSE = Path(__file__).parents[2] / "server" / "market" / "universe.toml"


@pytest.fixture
def session(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """Return the session of the engine of another server, which holds a shard."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SELECT pg_advisory_lock(%s, 3)", [LOCK_SPACE])
        yield opened


def enter(session: "psycopg.Connection[Any]", terms: str, address: str = ADDRESS) -> None:
    """Write the row of the other engine."""
    row = [OTHER, address, session.info.backend_pid, 1, "0.1.0", terms]
    session.execute("INSERT INTO engines VALUES (%s, %s, %s, %s, %s, %s)", row)


def settings(url: str, directory: Path, **given: Any) -> Any:
    directory.mkdir(exist_ok=True)
    return load(data_dir=directory, database=url, **given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"margin_initial": "60"}, "margin_initial"),
        ({"fees": "none", "slippage": "none"}, "fees, slippage"),
        ({"jwt_secret": "s" * 40}, "jwt_secret"),
        ({"jwt_audience": "others"}, "jwt_audience"),
        ({"seed": 4}, "seed"),
        ({"quotas": "enforced"}, "quotas"),
        ({"market": "published"}, "market"),
    ],
)
def test_a_server_with_other_rules_or_terms_of_tokens_is_told_which_differ(
    url: str,
    session: "psycopg.Connection[Any]",
    tmp_path: Path,
    given: dict[str, Any],
    named: str,
) -> None:
    enter(session, terms_text(settings(url, tmp_path / "one")))

    with pytest.raises(SettingsError, match=rf"^{named}: not as at the server .* at {ADDRESS}"):
        check_joining(settings(url, tmp_path / "two", **given))
    check_joining(settings(url, tmp_path / "three"))


def test_a_file_of_instruments_is_compared_by_its_content(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    enter(session, terms_text(settings(url, tmp_path / "one")))
    same, other = tmp_path / "same.toml", tmp_path / "other.toml"
    same.write_bytes(UNIVERSE.read_bytes())
    other.write_bytes(UNIVERSE.read_bytes() + b"\n")

    check_joining(settings(url, tmp_path / "two", universe_file=same))
    with pytest.raises(SettingsError, match=r"^universe_file: not as at"):
        check_joining(settings(url, tmp_path / "two", universe_file=other))


def test_terms_that_only_another_version_knows_do_not_matter(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    terms = orjson.loads(terms_text(settings(url, tmp_path / "one")))
    del terms["margin_initial"]
    enter(session, orjson.dumps({**terms, "new": "1"}).decode())

    check_joining(settings(url, tmp_path / "two", margin_initial="60"))


def test_another_version_of_frames_is_told(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    terms = orjson.loads(terms_text(settings(url, tmp_path / "one")))
    enter(session, orjson.dumps({**terms, "version of frames": "0"}).decode())

    with pytest.raises(SettingsError, match=r"^version of frames: not as at"):
        check_joining(settings(url, tmp_path / "two"))


def test_an_engine_that_has_ended_does_not_matter(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    enter(session, terms_text(settings(url, tmp_path / "one")))
    session.execute("SELECT pg_advisory_unlock_all()")

    check_joining(settings(url, tmp_path / "two", margin_initial="60"))


def test_terms_show_no_secret(url: str, tmp_path: Path) -> None:
    secret = "known-to-few-" * 4
    one = terms_text(settings(url, tmp_path / "one", jwt_secret=secret, seed=987_654_321))

    assert secret not in one
    assert "987654321" not in one


def test_a_server_on_another_machine_needs_an_address_for_it(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    enter(session, terms_text(settings(url, tmp_path / "one")), "unix:/elsewhere/engine.sock")

    with pytest.raises(SettingsError, match=r"^engine_address: .*is on another machine"):
        check_joining(settings(url, tmp_path / "two"))


def test_a_replay_runs_on_one_server_alone(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    replay = {"market": "replay", "replay_file": tmp_path / "file.csv"}
    enter(session, terms_text(settings(url, tmp_path / "one", **replay)))

    with pytest.raises(SettingsError, match=r"^market: a replay runs on one server alone"):
        check_joining(settings(url, tmp_path / "two", **replay))


@pytest.mark.parametrize(("seconds", "told"), [(-2, "behind"), (2, "ahead of")])
def test_a_clock_that_differs_from_the_databases_is_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, told: str
) -> None:
    monkeypatch.setattr(joining, "system_clock", lambda: system_clock() + seconds * SECOND)

    with pytest.raises(SettingsError, match=rf"^the clock of this machine is \d{{4}} ms {told}"):
        check_joining(settings(url, tmp_path / "one"))


def test_the_service_ends_with_one_line_that_says_so(
    url: str, session: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    enter(session, terms_text(settings(url, tmp_path / "one", seed=1)))
    given = {"database": url, "margin_initial": "60"}
    with Process(tmp_path / "two", wait=False, **given) as service:  # type: ignore[arg-type]
        assert service.process.wait(30) == 2
        *_, line = service.log.read_text().splitlines()

    assert line.startswith("bottrading: margin_initial: not as at the server of this venue at")


def test_the_service_ends_when_its_engine_finds_a_server_that_differs(
    url: str, tmp_path: Path
) -> None:
    """It may have entered while this engine was away, or at the same moment."""
    given = {"database": url, "margin_initial": "60"}
    terms = terms_text(settings(url, tmp_path / "one", seed=1))
    with (
        Process(tmp_path / "two", **given) as service,  # type: ignore[arg-type]
        psycopg.connect(url, autocommit=True) as session,
    ):
        session.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_SPACE, 2**31 - 1])
        enter(session, terms)
        os.kill(service.engine(), signal.SIGKILL)
        assert service.process.wait(30) == 2
        log = service.log.read_text()

    assert "margin_initial: not as at the server of this venue at" in log
    assert log.splitlines()[-1].startswith("bottrading: another server of this venue differs")
