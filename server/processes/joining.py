"""Joining: a server that differs from the others of its venue says in what, and does not start."""

from pathlib import Path

from server.bootstrap.adapters import system_clock
from server.bootstrap.terms import terms_of
from server.config import Settings, SettingsError
from server.domain.values import MILLISECOND, Micros
from server.engine.unix_sockets import UNIX
from server.storage.joining import CannotJoin, expect_same, surroundings

CLOCK_DIFFERENCE_MAX: Micros = 500 * MILLISECOND


def check_joining(settings: Settings) -> None:
    """Raise SettingsError if this server must not run beside those that run already.

    The engine compares terms again when it enters the venue, because other servers may start at the
    same moment. The clocks of this machine and of the database must agree, too. Raise
    StorageUnavailable if the database does not answer.
    """
    where = settings.location
    if isinstance(where, Path):
        return
    found = surroundings(where, system_clock)
    if abs(found.ahead) > CLOCK_DIFFERENCE_MAX:
        raise SettingsError(
            f"the clock of this machine is {abs(found.ahead) // MILLISECOND} ms"
            f" {'ahead of' if found.ahead > 0 else 'behind'} that of {where}: set both by NTP, at"
            f" most {CLOCK_DIFFERENCE_MAX // MILLISECOND} ms apart"
        )
    try:
        expect_same(terms_of(settings), found.others)
    except CannotJoin as error:
        raise SettingsError(str(error)) from None
    for address in found.others:
        if address.startswith(UNIX) and not Path(address.removeprefix(UNIX)).exists():
            raise SettingsError(
                f"engine_address: the server at {address} is on another machine: give both servers"
                " an engine_address"
            )
