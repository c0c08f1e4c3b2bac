"""The command `bottrading verify`: it prints what the audit of a database found."""

from time import monotonic

import typer

from server.application.ports import StorageBroken, StorageUnavailable
from server.audit.verifying import Verdict, verify
from server.config import Settings, SettingsError
from server.processes.starting import BACKUP_GUIDE
from server.progress import progress_bar
from server.storage.location import Location, is_missing
from server.storage.migrate import is_current

FINDINGS_MAX = 100
SOUND, FAULTY = 0, 1
REPLAYING = "Replaying the logs"


def run(settings: Settings) -> int:
    """Check a database and print what was found; return the exit status."""
    return check(settings.location)


def check(path: Location) -> int:
    """Check the database at a place, as `run` does."""
    if is_missing(path):
        raise SettingsError(f"database: {path} does not exist")
    begun = monotonic()
    try:
        if not is_current(path):
            raise SettingsError(
                f"database: {path} has the schema of another version: if it is older, run"
                " `bottrading migrate`"
            )
        with progress_bar("Reading the file") as show:
            verdict = verify(path, progress=lambda done, total: show(REPLAYING, done, total))
    except StorageBroken as error:
        typer.echo(f"The rest cannot be read: {error}")
        typer.echo(f"{path}: damaged; {BACKUP_GUIDE}")
        return FAULTY
    except StorageUnavailable as error:
        raise SettingsError(f"database: {path}: {error}") from None
    return _tell(path.name, verdict, monotonic() - begun)


def _tell(name: str, verdict: Verdict, seconds: float) -> int:
    findings = verdict.findings
    for finding in findings[:FINDINGS_MAX]:
        typer.echo(finding)
    if len(findings) > FINDINGS_MAX:
        typer.echo(f"and {len(findings) - FINDINGS_MAX} more")
    typer.echo(
        f"{name}: {verdict.accounts} accounts, {verdict.events} events, {verdict.orders} orders,"
        f" {verdict.fills} fills, {verdict.transactions} transactions in {seconds:.1f} s:"
        f" {f'{len(findings)} faults; {BACKUP_GUIDE}' if findings else 'everything agrees'}"
    )
    return FAULTY if findings else SOUND
