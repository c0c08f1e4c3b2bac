"""Exit statuses of `bottrading`: what ended a process, for who starts it again."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Every status that is ours; docs/operators.md says what to do about each."""

    STOPPED = 0
    FAULT = 1
    USAGE = 2
    PART_ENDED = 3


class ServiceFailed(Exception):
    """The service cannot go on; the message is one line for its operator."""

    def __init__(self, status: ExitStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
