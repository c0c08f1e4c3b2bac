"""The server of PostgreSQL that tests run: it never outlives them."""

import subprocess
import sys
import time
from pathlib import Path

from tests.support.process import POLL_SECONDS, STOP_SECONDS_MAX, wait_until_gone

RUN = """
import sys
from tests.support.postgresql import running_server
with running_server() as server:
    print(server.directory, flush=True)
    sys.stdin.read()
"""


def test_a_killed_test_leaves_no_server_and_no_files_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        directory = Path(running.stdout.readline().decode().strip())
        assert directory.name.startswith("pg")
        postmaster = int((directory / "data" / "postmaster.pid").read_text().split()[0])
        running.kill()

    wait_until_gone([postmaster])
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while directory.exists():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
