"""`bottrading copy` as its users run it: a venue moves to PostgreSQL and goes on there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.config import DATABASE_FILE
from server.storage.location import PostgresDatabase
from server.storage.soundness import holds_a_venue
from tests.e2e.test_postgresql_guide import is_known, place
from tests.support.databases import VARIABLE, opened
from tests.support.postgresql import Server
from tests.support.process import Process, make_key

COPY = [sys.executable, "-m", "server", "copy"]


@pytest.fixture
def target(postgresql: Server) -> Iterator[str]:
    url = postgresql.new_database(migrated=False)
    yield url
    postgresql.drop(url)


def copied(data_dir: Path, source: str, target: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COPY, "--data-dir", str(data_dir), "--from", source, "--to", target],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def url_of(data_dir: Path) -> str:
    return f"sqlite:///{data_dir / DATABASE_FILE}"


@pytest.mark.timeout(180)
def test_a_venue_moves_to_postgresql_and_back_and_all_keys_and_orders_with_it(
    data_dir: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Process(data_dir) as service:
        key = make_key(service)
        place(service, key, "before")
        assert service.stop() == 0

    done = copied(data_dir, url_of(data_dir), target)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.endswith("; all sums agree")
    assert second.endswith("everything agrees")

    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, target)
        with Process(data_dir) as service:
            assert is_known(service, key, "before")
            place(service, key, "there")
            assert service.stop() == 0

    back = data_dir / "back.sqlite"
    done = copied(data_dir, target, f"sqlite:///{back}")
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv(VARIABLE, f"sqlite:///{back}")
    with Process(data_dir) as service:
        assert is_known(service, key, "before")
        assert is_known(service, key, "there")
        assert service.stop() == 0


def test_a_venue_whose_service_runs_is_not_copied(data_dir: Path, target: str) -> None:
    with Process(data_dir) as service:
        done = copied(data_dir.parent, url_of(data_dir), target)
        assert service.stop() == 0

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"bottrading: data_dir: {data_dir}: is in use: stop its service\n"
    assert not holds_a_venue(PostgresDatabase(target, data_dir))


def test_what_is_refused_is_one_line_with_status_2(data_dir: Path, target: str) -> None:
    assert copied(data_dir, url_of(data_dir), target).returncode == 0
    with opened(data_dir) as connection:
        connection.insert("users", {"id": "ada"})
    missing = f"sqlite:///{data_dir / 'missing.sqlite'}"
    for source, to, line in (
        (missing, target, f"from: {data_dir / 'missing.sqlite'}: holds no venue"),
        (target, url_of(data_dir), f"to: {data_dir / DATABASE_FILE}: holds a venue already: "),
        ("mysql://a", target, "database: must be "),
    ):
        done = copied(data_dir, source, to)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"bottrading: {line}")
        assert len(done.stderr.splitlines()) == 1


def test_on_a_terminal_a_bar_shows_how_far_it_is(data_dir: Path, target: str) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [*COPY, "--data-dir", str(data_dir), "--from", url_of(data_dir), "--to", target]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm"}
        ) as running:
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # How Linux tells that the other end is closed.
                while part := terminal.read(4_096):
                    shown += part
            told, _ = running.communicate(timeout=60)

    assert told.endswith(b"everything agrees\n")
    assert b"Copying " in shown
