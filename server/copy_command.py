"""The command `bottrading copy`: it copies a venue to another database and checks the copy."""

from contextlib import ExitStack
from pathlib import Path

import typer

from server import config, verify_command
from server.config import ENGINE_LOCK_FILE, SettingsError
from server.processes.locking import LockHeld, take_lock
from server.progress import progress_bar
from server.storage.copying import CopyFailed, copy
from server.storage.location import Location


def run(source: str, target: str, data_dir: Path | None) -> int:
    """Copy from one URL to another; return the exit status of the check of the copy.

    Raises SettingsError, with one line, if nothing was copied.
    """
    given, taken = (config.load(data_dir=data_dir, database=url) for url in (source, target))
    with ExitStack() as locks:
        for directory in directories(given.data_dir, given.location, taken.location):
            keep_engines_away(directory, locks)
        try:
            with progress_bar("Reading the database") as show:
                rows = copy(
                    given.location,
                    taken.location,
                    lambda name, done, total: show(f"Copying {name}", done, total),
                )
        except CopyFailed as error:
            raise SettingsError(str(error)) from None
    typer.echo(f"{rows} rows copied from {given.location} to {taken.location}; all sums agree")
    return verify_command.check(taken.location)


def directories(data_dir: Path, *ends: Location) -> list[Path]:
    """Return the directories in which an engine that writes to an end has run, each once."""
    found = [data_dir, *(end.parent for end in ends if isinstance(end, Path))]
    return sorted({path.resolve() for path in found if (path / ENGINE_LOCK_FILE).exists()})


def keep_engines_away(directory: Path, locks: ExitStack) -> None:
    """Lock a data directory; raise SettingsError while an engine runs there."""
    try:
        locks.enter_context(take_lock(directory / ENGINE_LOCK_FILE, 0))
    except LockHeld:
        raise SettingsError(f"data_dir: {directory}: is in use: stop its service") from None
