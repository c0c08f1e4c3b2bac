"""Announcing: what the log says of the start, of readiness and of a replay's progress."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from rest_bridge.line_writer import LineWriter
from rest_bridge.log_lines import Paint, chosen
from server.addresses import reached, split_address
from server.application.ports import Clock
from server.bootstrap.adapters import monotonic_clock
from server.config import PAGE_FILE, Settings, command
from server.domain.values import SECOND, Micros
from server.market.replay_file import ReplayFacts
from server.rpc.call_lines import text_line
from server.rpc.interceptors.observability import Finished, json_line

log = logging.getLogger(__name__)

SHARE_EVERY: Micros = 2 * SECOND
REPLAY_LOOK_SECONDS = 0.2
REPLAY_LINE_SECONDS = 5.0

_NAME_WIDTH = 10


def tell_step(settings: Settings, what: str) -> None:
    """Log a step of the start, if people read the log."""
    if _is_for_people(settings):
        log.info("Starting: %s", what)


def tell_share(
    settings: Settings, monotonic: Clock = monotonic_clock
) -> Callable[[float], None] | None:
    """Return a function that logs every few seconds how much of the replay file was read.

    Returns None if programs read the log.
    """
    if not _is_for_people(settings):
        return None
    next_line = monotonic() + SHARE_EVERY

    def tell(share: float) -> None:
        nonlocal next_line
        if monotonic() >= next_line:
            next_line = monotonic() + SHARE_EVERY
            tell_step(settings, f"{share:.0%} of {settings.replay_file} is read")

    return tell


def call_line(settings: Settings) -> Callable[[Finished], bytes]:
    """Return the function that formats a finished call as a line of the log."""
    return text_line(Paint(sys.stderr)) if _is_for_people(settings) else json_line


@contextmanager
def page_told(settings: Settings) -> Iterator[None]:
    """Keep the page's URL in the data directory during the block, for `bottrading open`."""
    file, url = settings.data_dir / PAGE_FILE, _page(settings)
    file.unlink(missing_ok=True)
    if url:
        file.write_text(url)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


class Announcer:
    """Announces that the service is ready: to people by a summary, to programs by one line.

    `replay` is None if the market is no replay. `sign_in_link` makes a sign-in link from the
    page's URL. The link is written only to a terminal, because logs are kept.
    """

    def __init__(
        self,
        settings: Settings,
        lines: LineWriter,
        replay: ReplayFacts | None,
        sign_in_link: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._sign_in_link = sign_in_link
        self._lines = lines
        self._replay = replay
        self._is_told = False

    def ready(self, grpc: str) -> None:
        """Announce the addresses of the service; `grpc` is the address that gRPC is bound to."""
        if self._is_told:
            log.info("Ready again.")
            return
        self._is_told = True
        facts = {
            "page": _page(self._settings),
            "REST": self._rest("/api/trade/v1/bot"),
            "gRPC": reached(grpc),
            "docs": self._rest("/docs"),
            "metrics": _url("http", self._settings.metrics, "/metrics"),
            "data": str(self._settings.data_dir.resolve()),
            "market": self._market(),
        }
        told = {name: fact for name, fact in facts.items() if fact}
        if _is_for_people(self._settings):
            self._lines.write(self._summary(told).encode(errors="backslashreplace"))
        else:
            log.info("Ready: %s", ", ".join(f"{name} {fact}" for name, fact in told.items()))

    async def follow_replay(self, clock: Clock) -> None:
        """Log every few seconds how far the replay is, and finally that it has ended."""
        if self._replay is not None:
            await _follow(self._replay, clock)

    def _summary(self, facts: dict[str, str]) -> str:
        paint = Paint(sys.stderr)
        first_key = command(self._settings, "key", "create", "--label", "my-first-bot")
        return "\n".join(
            (
                "",
                paint(f"BotTrading {version('bottrading')} is ready.", "bold green"),
                "",
                *(f"  {name:<{_NAME_WIDTH}}{paint(fact, 'cyan')}" for name, fact in facts.items()),
                "",
                f"  Next, in a second terminal: {paint(first_key, 'bold')}",
                "  Ctrl-C ends the service. Each call and each event gets a line below.",
                *self._way_in(paint),
                "\n",
            )
        )

    def _way_in(self, paint: Paint) -> tuple[str, ...]:
        url = _page(self._settings)
        if not url or not sys.stderr.isatty():
            return ()
        again = paint(command(self._settings, "open"), "bold")
        return (
            "",
            f"  Open {paint(self._sign_in_link(url), 'cyan')}",
            f"  It signs you in once, within 10 minutes. {again} prints another.",
        )

    def _rest(self, path: str) -> str:
        return _rest(self._settings, path)

    def _market(self) -> str:
        settings, replay = self._settings, self._replay
        is_always_open = settings.for_engine().sessions == "always-open"
        hours = "always open" if is_always_open else "with real opening hours"
        if replay is None:
            return f"{settings.market}, {hours}"
        span = f"{_minute(replay.first)} to {_minute(replay.last)}"
        times = settings.replay_speed
        speed = "in real time" if times == 1 else f"{times:,.10g} times as fast as real time"
        if settings.is_stepped:
            speed = "in lock-step"
        return f"replay of {replay.path.name}, {span}, {speed}, {hours}"


def _is_for_people(settings: Settings) -> bool:
    return chosen(settings.log_format, sys.stderr) == "text"


async def _follow(facts: ReplayFacts, clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    first, begun, next_line, told, told_at = 0, 0.0, 0.0, "", 0
    while (now := clock()) < facts.last:
        real = loop.time()
        # The clock shows 0 until the engine sends a time, and stands while the market is stopped.
        if now != told_at and real >= next_line:
            next_line, told_at = real + REPLAY_LINE_SECONDS, now
            if not first:
                first, begun = now, real
            line = _progress(facts, now, (now - first) / max(real - begun, 1e-3))
            if line != told:
                log.info("%s", line)
            told = line
        await asyncio.sleep(REPLAY_LOOK_SECONDS)
    log.info("The replay has ended: the time stands at %s.", _minute(now))


def _progress(facts: ReplayFacts, now: Micros, rate: float) -> str:
    share = (now - facts.first) / max(facts.last - facts.first, 1)
    line = f"Replay: {_minute(now)}, {max(share, 0):.0%} played"
    return f"{line}, {_rest_of((facts.last - now) / rate)}" if rate > 0 else line


def _rest_of(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5_400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3_600:,.0f} h left"


def _page(settings: Settings) -> str:
    """Return the URL of the page; empty if there is none, or if the kernel chooses its port."""
    return _rest(settings, "/") if settings.page else ""


def _rest(settings: Settings, path: str) -> str:
    if settings.no_rest:
        return ""
    return _url("https" if settings.rest_certificate else "http", settings.rest, path)


def _url(scheme: str, address: str, path: str) -> str:
    """Return the URL of an address; empty for no address and for a port that the kernel chooses."""
    if not address or not split_address(address)[1]:
        return ""
    return f"{scheme}://{reached(address)}{path}"


def _minute(moment: Micros) -> str:
    return f"{datetime.fromtimestamp(moment // SECOND, UTC):%Y-%m-%d %H:%M} UTC"
