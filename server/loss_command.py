"""The command `bottrading accept-loss`: it lets a database go on that lacks transactions."""

from contextlib import ExitStack

import typer

from server.application.ports import StorageBroken, StorageUnavailable
from server.config import Settings, SettingsError
from server.copy_command import directories, keep_engines_away
from server.storage.losses import accept_loss
from server.storage.migrate import is_current


def run(settings: Settings) -> None:
    """Accept the loss; raise SettingsError, with one line, if nothing was changed."""
    where = settings.location
    with ExitStack() as locks:
        for directory in directories(settings.data_dir, where):
            keep_engines_away(directory, locks)
        try:
            if not is_current(where):
                raise SettingsError(f"database: {where}: has another schema: run `migrate` first")
            changed = accept_loss(where)
        except (StorageBroken, StorageUnavailable) as error:
            raise SettingsError(f"database: {where}: {error}") from None
    typer.echo(f"{where}: the logs of {changed} accounts go on after a gap; start the service")
