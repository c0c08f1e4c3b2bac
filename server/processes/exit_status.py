"""Exit statuses of `bottrading`: what ended a process, for who starts it again."""

from enum import IntEnum
from pathlib import Path


class ExitStatus(IntEnum):
    """Every status that is ours; docs/operators.md says what to do about each."""

    STOPPED = 0
    FAULT = 1
    USAGE = 2
    PART_ENDED = 3
    DATABASE_DAMAGED = 4


class ServiceFailed(Exception):
    """The service cannot go on; the message is one line for its operator."""

    def __init__(self, status: ExitStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def database_damaged(path: Path) -> ServiceFailed:
    """Return what ends a service whose database turns out to be damaged."""
    return ServiceFailed(
        ExitStatus.DATABASE_DAMAGED,
        f"database: {path}: is damaged, as it says above; restore a backup as"
        " docs/operators.md#backup says",
    )
