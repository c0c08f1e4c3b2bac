"""Tokens that this machine signs itself, and the identities that they carry."""

from dataclasses import replace

from server.application.ports import StorageBroken, StorageUnavailable
from server.bootstrap.adapters import SystemChance, system_clock
from server.config import Settings, SettingsError
from server.domain.user import Identity, Plan
from server.domain.values import SECOND
from server.rpc.own_tokens import OwnTokens
from server.rpc.tokens import NAME_LENGTH_MAX, SUBJECT_LENGTH_MAX, issue
from server.secret_files import jwt_secret, own_secret


def _new_identity(
    settings: Settings,
    subject: str,
    *,
    name: str | None = None,
    plan: Plan = Plan.STANDARD,
) -> Identity:
    """Return a new person's identity; raise SettingsError for a text that no token can carry."""
    if not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise SettingsError(f"subject: must have 1 to {SUBJECT_LENGTH_MAX} characters")
    shown = subject if name is None else name
    if not 1 <= len(shown) <= NAME_LENGTH_MAX:
        raise SettingsError(f"name: must have 1 to {NAME_LENGTH_MAX} characters")
    for setting, text in {"subject": subject, "name": shown}.items():
        if not _is_unicode(text):
            raise SettingsError(f"{setting}: must be UTF-8")
    return Identity(
        issuer=settings.jwt_issuer, subject=subject, name=shown, plan=plan, is_operator=False
    )


def _is_unicode(text: str) -> bool:
    """Tell whether an argument is UTF-8: Python turns other bytes into surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def known_identity(
    settings: Settings,
    subject: str,
    *,
    name: str | None = None,
    plan: Plan | None = None,
    is_operator: bool | None = None,
) -> Identity:
    """Return a person's identity as the service stores it; arguments that are given replace parts.

    The service adopts all that a newer token says, so a token must repeat what is to stay the same.
    """
    given = _new_identity(settings, subject, name=name, plan=plan or Plan.STANDARD)
    known = _stored(settings, subject) or given
    return replace(
        known,
        name=known.name if name is None else name,
        plan=plan or known.plan,
        is_operator=known.is_operator if is_operator is None else is_operator,
    )


def _stored(settings: Settings, subject: str) -> Identity | None:
    """Return the stored identity of a person; None for an unknown one."""
    from server.storage.database import open_readers, snapshot
    from server.storage.location import is_missing
    from server.storage.migrate import is_up_to_date
    from server.storage.people import People

    path = settings.location
    if is_missing(path):
        return None
    engine = open_readers(path)
    try:
        if not is_up_to_date(engine):
            raise SettingsError(
                f"database: {path}: has the schema of another version: start the service first"
            )
        with snapshot(engine) as connection:
            user = People(connection).user_by_identity(settings.jwt_issuer, subject)
    except (StorageBroken, StorageUnavailable) as error:
        raise SettingsError(f"database: {path}: {error}") from None
    finally:
        engine.dispose()
    return None if user is None else user.identity


def signed_token(settings: Settings, identity: Identity, ttl_seconds: int) -> str:
    """Return a token for a person, signed with the secret of the settings."""
    secret, now = jwt_secret(settings), system_clock() // SECOND
    return issue(settings.token_terms, secret, identity, now_seconds=now, ttl_seconds=ttl_seconds)


def feed_token(settings: Settings) -> str:
    """Return an operator's token for a feed of this service, for an hour."""
    return OwnTokens(settings.jwt_issuer, own_secret(settings), system_clock).feed_token()


def sign_in_link(settings: Settings, page_url: str, subject: str) -> str:
    """Return a link that opens the page and signs a person in, once and within ten minutes.

    The token is behind `#`, which no browser sends.
    """
    identity = known_identity(settings, subject)
    tokens = OwnTokens(settings.jwt_issuer, own_secret(settings), system_clock)
    return f"{page_url}#token={tokens.sign_in_token(identity, SystemChance().new_id())}"
