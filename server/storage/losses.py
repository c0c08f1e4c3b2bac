"""Losses: a database that lacks committed transactions goes on, and no cursor means two things.

After a backup is restored, or a standby promoted, the log of an account may end before what its
readers have seen. New entries would get the numbers of lost ones. So each log goes on after a gap,
and a cursor within a gap is refused.
"""

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from server.domain.values import LOST_SEQUENCES
from server.storage.database import expect_alone, open_owner, translated
from server.storage.engine_tables import commits
from server.storage.location import Location
from server.storage.tables import accounts


def accept_loss(where: Location) -> int:
    """Let a database go on that lacks transactions; return the number of its accounts.

    Raises StorageUnavailable while an engine writes to it.
    """
    engine = open_owner(where)
    try:
        with engine.begin() as connection:
            expect_alone(connection)
            later = {"sequence": accounts.c.sequence + LOST_SEQUENCES}
            changed = connection.execute(update(accounts).values(later)).rowcount
            # More than any server remembers to have committed.
            connection.execute(update(commits).values(number=commits.c.number + LOST_SEQUENCES))
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
    return changed
