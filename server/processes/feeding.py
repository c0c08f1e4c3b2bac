"""The feed of live prices: its process, the tokens that it gets, and its file of instruments."""

import asyncio
import logging
import os
import subprocess
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from server.bootstrap import front as bootstrap
from server.config import LINES, Settings, SettingsError, child_environment
from server.market.universe_file import DEFAULT_UNIVERSE_PATH
from server.processes.children import PYTHON, Lend, Patience, ended, exited
from server.processes.exit_status import ExitStatus, ServiceFailed
from server.rpc.own_tokens import FEED_SECONDS

log = logging.getLogger(__name__)

TOLD_BYTES_MAX = 4_096
PACKAGE = "bottrading_feeds"


class FeedProcess:
    """A feed in a process of its own, started again as the bridge is.

    `target` is the venue's gRPC server. `new_token` makes an operator's token, which the process
    gets through a pipe. When this process ends, the pipe is closed, and the feed ends, too.
    """

    def __init__(
        self,
        settings: Settings,
        target: str,
        lend: Lend,
        new_token: Callable[[], str],
        *,
        source: str,
        symbols: Sequence[str],
    ) -> None:
        self._target = target
        self._lend = lend
        self._new_token = new_token
        self._reads_input = source == LINES
        self._command = [*PYTHON, PACKAGE, "feed", source, *symbols, "--target", target]
        self._command += ["--log-format", settings.log_format]
        self._command += _dollars(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._tokens: int | None = None

    async def run(self) -> None:
        """Start the process and restart it, until its source has ended for good.

        Raises ServiceFailed with the process's own reason if another start would not help.
        """
        loop, patience = asyncio.get_running_loop(), Patience()
        renewing = loop.create_task(self._renew())
        try:
            while True:
                begun = loop.time()
                try:
                    self._process = self._start()
                except OSError as error:
                    log.error("The feed cannot be started: %s; trying again.", error)
                else:
                    status = await ended(self._process)
                    told = _told(self._process)
                    if status == ExitStatus.USAGE:
                        raise ServiceFailed(ExitStatus.USAGE, f"feed: {told}")
                    if status == ExitStatus.STOPPED:
                        log.warning("The feed has ended: its quotes go stale.")
                        return
                    why = f": {told}" if told else ""
                    log.error("The feed ended with status %d%s; starting it again.", status, why)
                await asyncio.sleep(patience.pause(loop.time() - begun))
        finally:
            renewing.cancel()

    def terminate(self) -> None:
        """Tell the process to end."""
        if self._process is not None:
            self._process.terminate()

    async def stop(self, timeout_seconds: float) -> None:
        """Wait until the process has ended; kill it after the timeout."""
        if self._process is not None:
            await exited(self._process, timeout_seconds)
        self._close_tokens()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._close_tokens()
        with self._lend():
            read, self._tokens = os.pipe()
            try:
                process = subprocess.Popen(
                    [*self._command, "--tokens-from", str(read)],
                    pass_fds=[read],
                    stdin=None if self._reads_input else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    env=child_environment(),
                    start_new_session=True,
                )
            finally:
                os.close(read)
        self._send_token()
        return process

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(FEED_SECONDS / 2)
            self._send_token()

    def _send_token(self) -> None:
        if self._tokens is not None:
            try:
                os.write(self._tokens, f"{self._new_token()}\n".encode())
            except BrokenPipeError:
                """The process has ended, which `run` notices."""

    def _close_tokens(self) -> None:
        if self._tokens is not None:
            os.close(self._tokens)
            self._tokens = None


def prepare_universe(settings: Settings) -> None:
    """Write the file of the feed's instruments, or renew it, as the source describes them.

    Instruments that accounts use stay as they are. While the source does not answer, the file of an
    earlier start is used. Raises SettingsError in one line if there is none.
    """
    if not settings.feed:
        return
    expect_package()
    path = settings.universe
    if path is None or path == settings.universe_file:
        return
    in_use = ",".join(bootstrap.history(settings).symbols_in_use)
    command = [*PYTHON, f"{PACKAGE}.universe", settings.feed, *settings.feed_symbols]
    command += ["--out", str(path), "--keep", in_use, "--keep-from", str(DEFAULT_UNIVERSE_PATH)]
    command += _dollars(settings)
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=child_environment(),
        check=False,
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    told = [line.removeprefix("bottrading: ") for line in lines]
    if done.returncode:
        why = told[-1] if told else f"the source's instruments cannot be read ({done.returncode})"
        if not path.exists():
            raise SettingsError(f"feed: {why}")
        log.warning("The instruments are those of an earlier start: %s", why)
    else:
        for line in told:
            log.warning("%s", line)


def expect_package() -> None:
    """Raise SettingsError if feeds are not installed."""
    if find_spec(PACKAGE) is None:
        raise SettingsError(f"feed needs {PACKAGE}; run `make setup`")


def _dollars(settings: Settings) -> list[str]:
    return (
        ["--usd-equivalent", ",".join(settings.usd_equivalent)] if settings.usd_equivalent else []
    )


def _told(process: "subprocess.Popen[bytes]") -> str:
    """Return the line with which an ended process says why it ended."""
    if process.stdout is None:
        return ""
    with process.stdout as stdout:
        return " ".join(stdout.read(TOLD_BYTES_MAX).decode(errors="replace").split())
