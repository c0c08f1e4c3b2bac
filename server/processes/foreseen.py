"""Foreseen faults: the log shows each in one line, without a traceback."""

import logging

from server.application.ports import StorageBroken, StorageUnavailable
from server.market.replay_table import ReplayFileError
from server.processes.locking import LockHeld

FORESEEN = (StorageUnavailable, StorageBroken, ReplayFileError, LockHeld)
"""A full, missing or broken disk, a replay file that changed, data that another process uses."""


class Foreseen(logging.Filter):
    """Shortens records of foreseen faults to the message and the fault, whoever logs them."""

    def __init__(self, *more: type[BaseException]) -> None:
        super().__init__()
        self._faults: tuple[type[BaseException], ...] = (*FORESEEN, *more)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass; shorten it if its fault is foreseen."""
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, self._faults):
            # Libraries add lines that show objects; the first line says what happened.
            message = record.getMessage().split("\n", 1)[0]
            told = " ".join(str(fault).split())
            record.msg, record.args = f"{message} ({told or type(fault).__name__})", ()
            record.exc_info = record.exc_text = None
        return True
