"""Log output that never waits: whoever reads the log slowly loses lines, not the service."""

import logging
import os
import queue
import threading

PARTS_WAITING_MAX = 500
CLOSE_TIMEOUT_SECONDS = 1.0


class LineHandler(logging.Handler):
    """Sends the records of `logging` to a LineWriter."""

    def __init__(self, lines: "LineWriter") -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over."""
        self._lines.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


def log_through(lines: "LineWriter", form: logging.Formatter) -> None:
    """Send everything that is logged in this process to `lines`."""
    handler = LineHandler(lines)
    handler.setFormatter(form)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Their steps are nobody's concern; ours are told.
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
        """Write what waits, as far as that does not take long."""
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
