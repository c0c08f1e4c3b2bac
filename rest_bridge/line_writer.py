"""Log output that never waits: if the log is read slowly, lines are dropped."""

import logging
import os
import queue
import threading
from dataclasses import dataclass

REPEAT_SECONDS = 10.0
PARTS_WAITING_MAX = 500
CLOSE_TIMEOUT_SECONDS = 1.0


class LineHandler(logging.Handler):
    """Sends the records of `logging` to a LineWriter.

    A warning that recurs within REPEAT_SECONDS is counted, and logged once more with the count.
    """

    def __init__(self, lines: "LineWriter") -> None:
        super().__init__()
        self._lines = lines
        self._again: dict[str, _Repeated] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over."""
        if record.levelno < logging.WARNING or record.exc_info:
            self._write(record)
            return
        told = record.getMessage()
        repeated = self._again.get(told)
        if repeated is not None:
            repeated.last, repeated.count = record, repeated.count + 1
            return
        self._write(record)
        timer = threading.Timer(REPEAT_SECONDS, self._tell_again, (told,))
        timer.daemon = True
        self._again[told] = _Repeated(record, timer)
        timer.start()

    def close(self) -> None:
        """Log the warnings that were counted."""
        for told, repeated in list(self._again.items()):
            repeated.timer.cancel()
            self._tell_again(told)
        super().close()

    def _tell_again(self, told: str) -> None:
        self.acquire()
        try:
            repeated = self._again.pop(told, None)
            if repeated is not None and repeated.count:
                last, count = repeated.last, repeated.count
                often = "once" if count == 1 else f"{count} times"
                last.msg, last.args = f"{told} (again {often})", ()
                self._write(last)
        finally:
            self.release()

    def _write(self, record: logging.LogRecord) -> None:
        self._lines.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


@dataclass(slots=True)
class _Repeated:
    """A warning that was logged: when it is logged again, and how often it has recurred since."""

    last: logging.LogRecord
    timer: threading.Timer
    count: int = 0


def log_through(lines: "LineWriter", form: logging.Formatter, *filters: logging.Filter) -> None:
    """Send everything that is logged in this process to `lines`."""
    handler = LineHandler(lines)
    handler.setFormatter(form)
    for one in filters:
        handler.addFilter(one)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Only warnings of these libraries are logged.
    for library in ("alembic", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)


class LineWriter:
    """Writes lines to a file descriptor from a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: queue.Queue[bytes | None] = queue.Queue(PARTS_WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        self.dropped = 0

    def write(self, lines: bytes) -> None:
        """Hand over whole lines; they are dropped when too many wait."""
        try:
            self._parts.put_nowait(lines)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write the lines that wait; give up after CLOSE_TIMEOUT_SECONDS."""
        try:
            self._parts.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(CLOSE_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while (part := self._parts.get()) is not None:
            try:
                while part:
                    part = part[os.write(self._descriptor, part) :]
            except OSError:
                self.dropped += 1
