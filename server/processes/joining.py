"""Joining: a server that differs from the others of its venue says in what, and does not start."""

from pathlib import Path

from server.bootstrap.adapters import system_clock
from server.bootstrap.terms import terms_of
from server.config import Settings, SettingsError
from server.domain.values import MILLISECOND, Micros
from server.engine.unix_sockets import UNIX
from server.storage.joining import surroundings

CLOCK_DIFFERENCE_MAX: Micros = 500 * MILLISECOND


def check_joining(settings: Settings) -> None:
    """Raise SettingsError if this server must not run beside those that run already.

    Its clock must also agree with that of the database. Raise StorageUnavailable if the database
    does not answer.
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
    own = terms_of(settings)
    for address, terms in found.others.items():
        differing = sorted(name for name in own.keys() & terms.keys() if own[name] != terms[name])
        if differing:
            raise SettingsError(
                f"{', '.join(differing)}: not as at the server of this venue at {address}: give all"
                " servers the same settings, files and versions"
            )
        _check_other(settings, address)


def _check_other(settings: Settings, address: str) -> None:
    if settings.market == "replay":
        raise SettingsError(f"market: a replay runs on one server alone: {address} runs it")
    if settings.market == "published":
        raise SettingsError(
            f"market: a published market runs on one server alone: {address} runs it"
        )
    if address.startswith(UNIX) and not Path(address.removeprefix(UNIX)).exists():
        raise SettingsError(
            f"engine_address: the server at {address} is on another machine: give both servers an"
            " engine_address"
        )
