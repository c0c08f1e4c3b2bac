"""Tokens of sign-in links, as `bottrading open` prints them."""

from server.bootstrap.adapters import SystemChance, system_clock
from server.config import Settings
from server.domain.user import Identity, Plan
from server.rpc.own_tokens import OwnTokens
from server.secret_files import own_secret


def link_token(settings: Settings, subject: str = "ada") -> str:
    """Return the token of a new link."""
    identity = Identity(
        issuer=settings.jwt_issuer,
        subject=subject,
        name=subject,
        plan=Plan.STANDARD,
        is_operator=False,
    )
    tokens = OwnTokens(settings.jwt_issuer, own_secret(settings), system_clock)
    return tokens.sign_in_token(identity, SystemChance().new_id())
