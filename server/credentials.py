"""Tokens that this machine signs by itself, and for whom."""

from server import config
from server.adapters import system_clock
from server.application.ports import StorageBroken, StorageUnavailable
from server.config import Settings, SettingsError
from server.domain.user import Identity, Plan
from server.domain.values import SECOND
from server.rpc.tokens import NAME_LENGTH_MAX, SUBJECT_LENGTH_MAX, issue


def new_identity(
    settings: Settings,
    subject: str,
    *,
    name: str | None = None,
    plan: Plan = Plan.STANDARD,
    is_operator: bool = False,
) -> Identity:
    """Return who a person is to be; raise SettingsError for what no token can carry."""
    if not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise SettingsError(f"subject: must have 1 to {SUBJECT_LENGTH_MAX} characters")
    shown = subject if name is None else name
    if not 1 <= len(shown) <= NAME_LENGTH_MAX:
        raise SettingsError(f"name: must have 1 to {NAME_LENGTH_MAX} characters")
    return Identity(
        issuer=settings.jwt_issuer, subject=subject, name=shown, plan=plan, is_operator=is_operator
    )


def known_identity(settings: Settings, subject: str) -> Identity:
    """Return who a person is to the service, or is to be when it does not know them.

    A token tells the service name and plan anew, so one for somebody known must repeat them.
    """
    # Imported here: `token` needs no database.
    from server.storage.database import open_readers, snapshot
    from server.storage.people import People

    wanted = new_identity(settings, subject)
    engine = open_readers(settings.database_path)
    try:
        with snapshot(engine) as connection:
            user = People(connection, {}).user_by_identity(wanted.issuer, wanted.subject)
    except (StorageBroken, StorageUnavailable) as error:
        raise SettingsError(f"database: {settings.database_path}: {error}") from None
    finally:
        engine.dispose()
    return wanted if user is None else user.identity


def signed_token(settings: Settings, identity: Identity, ttl_seconds: int) -> str:
    """Return a token for a person, signed with the secret of the settings."""
    secret, now = config.jwt_secret(settings), system_clock() // SECOND
    return issue(settings.token_terms, secret, identity, now_seconds=now, ttl_seconds=ttl_seconds)
