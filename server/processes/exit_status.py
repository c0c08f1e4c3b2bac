"""Exit statuses of `bottrading`: they say why the command ended."""

from enum import IntEnum

from server.storage.location import Location


class ExitStatus(IntEnum):
    """Every status of our own; docs/operators.md says what to do about each."""

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


def database_damaged(where: Location) -> ServiceFailed:
    """Return the error that ends a running service whose database is damaged."""
    return ServiceFailed(
        ExitStatus.DATABASE_DAMAGED,
        f"database: {where}: is damaged: the log says where; restore a backup"
        " (docs/operators.md#backup)",
    )
