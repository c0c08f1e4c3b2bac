"""The terms of a venue: what all replicas must have in common before they decide calls for it."""

from collections.abc import Mapping
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path

import orjson

from server.bootstrap import venue
from server.config import Settings
from server.engine.frames import FRAME_VERSION
from server.engine_settings import EngineSettings
from server.market.universe_file import DEFAULT_UNIVERSE_PATH
from server.secret_files import jwt_secret, own_secret

OWN_TO_A_REPLICA = frozenset(
    {"database", "data_dir", "socket", "address", "terms", "seed", "universe_file", "replay_file"}
)
"""Settings of an engine that may differ, or whose content is compared instead."""

OF_FRONTS = (
    "jwt_issuer",
    "jwt_audience",
    "orders_per_minute",
    "requests_per_minute",
    "person_requests_per_minute",
    "quotas",
)
DIGEST_BYTES = 16


def terms_of(settings: Settings) -> dict[str, str]:
    """Return the terms of this replica by their names, most of them those of settings.

    A secret is a digest with a key, so that nobody who reads the terms can try guesses.
    """
    engine = settings.for_engine()
    rules = {it.name: getattr(engine, it.name) for it in fields(EngineSettings)}
    told: dict[str, object] = {
        **{name: value for name, value in rules.items() if name not in OWN_TO_A_REPLICA},
        **{name: getattr(settings, name) for name in OF_FRONTS},
        "version of frames": FRAME_VERSION,
        "engine_address": "given" if settings.engine_address else "none",
        "universe_file": _digest(Path(engine.universe_file or DEFAULT_UNIVERSE_PATH).read_bytes()),
        **_secrets(settings, engine),
    }
    return {name: str(value) for name, value in told.items()}


def terms_text(settings: Settings) -> str:
    """Return the terms of this replica as they are stored; empty for a venue in a file."""
    return "" if isinstance(settings.location, Path) else orjson.dumps(terms_of(settings)).decode()


def _secrets(settings: Settings, engine: EngineSettings) -> Mapping[str, str]:
    key = own_secret(settings)
    keys = settings.jwt_jwks
    found = {"jwt_jwks": keys if not keys or "://" in keys else "a file"}
    if not settings.jwt_jwks:
        found["jwt_secret"] = _digest(jwt_secret(settings), key)
    if engine.market == "simulated":
        secret = venue.market_secret(engine)
        found["seed"] = _digest(secret.key + str(secret.origin).encode(), key)
    return found


def _digest(content: bytes, key: bytes = b"") -> str:
    return blake2b(content, digest_size=DIGEST_BYTES, key=key[:64]).hexdigest()
