"""The engine as a process: `python -m server.processes.engine_process SOCKET FORMAT`."""

import gc
import logging
import signal
import socket
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import cast

from rest_bridge.line_writer import LineWriter, log_through
from rest_bridge.log_lines import LogFormat, formatter
from server.application.ports import SessionLost, StorageDamaged, StorageUnavailable
from server.bootstrap.adapters import monotonic_clock
from server.bootstrap.engine import build
from server.config import ENGINE_LOCK_FILE
from server.engine.frames import LENGTH
from server.engine.fronts import Fronts
from server.engine.loop import run
from server.engine.unix_sockets import listening
from server.engine_settings import EngineSettings
from server.processes.exit_status import ExitStatus
from server.processes.foreseen import Foreseen
from server.processes.locking import take_lock
from server.storage.joining import CannotJoin

LOCK_TIMEOUT_SECONDS = 5.0


def main() -> None:
    """Read the settings from the socket with the descriptor SOCKET, then serve the front.

    Returns when the front closes the socket. FORMAT is the format of the log, as in the settings.
    """
    lines = LineWriter(sys.stderr.fileno())
    form = formatter(cast("LogFormat", sys.argv[2]), "engine", sys.stderr)
    log_through(lines, form, Foreseen())
    try:
        _serve()
    except StorageDamaged as error:
        logging.getLogger(__name__).error("The database is damaged: %s", error)
        sys.exit(ExitStatus.DATABASE_DAMAGED)
    except CannotJoin as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(ExitStatus.USAGE)
    except (SessionLost, StorageUnavailable) as error:
        # All that it remembers may be old: the next engine reads everything anew.
        logging.getLogger(__name__).error("The engine has no database: %s", error)
        sys.exit(1)
    except Exception:
        logging.getLogger(__name__).exception("The engine cannot go on.")
        sys.exit(1)
    finally:
        logging.shutdown()
        lines.close()


def _serve() -> None:
    # The terminal's Ctrl-C is for the front, which then closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    settings = EngineSettings.from_json(_first_frame(connection))
    # The engine of a killed front may still be finishing its last batch.
    lock = take_lock(Path(settings.data_dir) / ENGINE_LOCK_FILE, LOCK_TIMEOUT_SECONDS)
    with lock, _listening(settings) as listener:
        _run(settings, Fronts(connection, listener))


def _run(settings: EngineSettings, fronts: Fronts) -> None:
    parts = build(settings, tell_progress=fronts.tell_progress)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # When the front is gone, nobody is left to answer.
    with suppress(BrokenPipeError, ConnectionResetError):
        run(fronts, parts.service, parts.feed.source, parts.clock, monotonic_clock)
    parts.service.close()
    fronts.close()
    parts.close()


def _listening(settings: EngineSettings) -> AbstractContextManager[socket.socket | None]:
    """Listen for the fronts of other replicas, if there can be any."""
    return listening(Path(settings.socket)) if settings.socket else nullcontext()


def _first_frame(connection: socket.socket) -> bytes:
    (length,) = LENGTH.unpack(_receive(connection, LENGTH.size))
    return _receive(connection, length)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            sys.exit(0)
        received += part
    return received


if __name__ == "__main__":
    main()
