"""The secrets of a venue in PostgreSQL: one server makes them, and all have the same."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from server.bootstrap import venue
from server.config import Settings, SettingsError
from server.market.secret import SecretFileError
from server.secret_files import jwt_secret, own_secret, ticket_secret
from server.storage.location import PostgresDatabase
from server.storage.shared_secrets import shared_secret
from tests.support.databases import opened

JWT = "j" * 64


@pytest.fixture
def database(venue_url: str, tmp_path: Path) -> PostgresDatabase:
    return PostgresDatabase(venue_url, tmp_path)


def replica(venue: PostgresDatabase, name: str, **given: str) -> Settings:
    """Return the settings of a server with a data directory of its own."""
    directory = venue.directory / name
    directory.mkdir()
    return Settings(data_dir=directory, market="simulated", **given)  # type: ignore[arg-type]


def test_all_servers_of_a_venue_have_the_same_secrets_and_no_files(
    database: PostgresDatabase,
) -> None:
    one, two = replica(database, "one"), replica(database, "two")

    for secret in (jwt_secret, own_secret, ticket_secret):
        assert secret(one) == secret(two)
    assert venue.market_secret(one.for_engine()) == venue.market_secret(two.for_engine())
    assert own_secret(one) != ticket_secret(one)
    assert [*database.directory.glob("*/*.secret")] == []


def test_a_secret_of_the_settings_is_for_people_alone(database: PostgresDatabase) -> None:
    given, other = replica(database, "one", jwt_secret=JWT), replica(database, "two")

    assert jwt_secret(given) == JWT.encode()
    assert own_secret(given) == own_secret(other) != jwt_secret(given)


def test_of_many_servers_that_start_at_once_one_makes_a_secret(
    database: PostgresDatabase,
) -> None:
    servers = 6
    together = Barrier(servers)

    def start(number: int) -> str:
        def make() -> str:
            together.wait()  # None of them has found a secret.
            return str(number)

        return shared_secret(database, "jwt", make)

    with ThreadPoolExecutor(servers) as pool:
        assert len(set(pool.map(start, range(servers)))) == 1


def test_secrets_in_files_of_an_older_version_become_those_of_the_venue(
    database: PostgresDatabase,
) -> None:
    market = f'key = "{"0" * 64}"\norigin = 2026-11-19T12:00:00Z\n'
    written = {"jwt.secret": JWT, "ticket.secret": "t" * 64, "market.secret": market}
    old, new = replica(database, "old"), replica(database, "new")
    for name, text in written.items():
        (old.data_dir / name).touch(0o600)
        (old.data_dir / name).write_text(text)

    first = venue.market_secret(old.for_engine())
    assert (own_secret(old), ticket_secret(old)) == (JWT.encode(), b"t" * 64)
    assert (own_secret(new), ticket_secret(new)) == (JWT.encode(), b"t" * 64)
    assert venue.market_secret(new.for_engine()) == first
    assert first.key == bytes(32)


def test_a_secret_that_cannot_be_used_is_named_and_not_shown(database: PostgresDatabase) -> None:
    settings = replica(database, "one")
    with opened(database.directory) as connection:
        for name in ("jwt", "market"):
            connection.insert("secrets", {"name": name, "value": "shown"})

    with pytest.raises(SettingsError, match="secret jwt: has fewer than 32 bytes"):
        own_secret(settings)
    with pytest.raises(SecretFileError, match="secret market: key: must be") as refused:
        venue.market_secret(settings.for_engine())
    assert "shown" not in str(refused.value)


def test_a_role_that_may_not_read_secrets_is_told_so_in_one_line(
    database: PostgresDatabase,
) -> None:
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS reader")
        owner.execute("CREATE ROLE reader LOGIN")
    reader = replica(database, "one", database=database.url.replace("postgres@", "reader@"))

    with pytest.raises(SettingsError, match="permission denied for table secrets"):
        own_secret(reader)
