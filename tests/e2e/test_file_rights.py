"""Permissions of the data directory and its secrets, and dangling links in it."""

from pathlib import Path
from shutil import copytree

import pytest

from server.config import (
    DATABASE_FILE,
    JWT_SECRET_FILE,
    MARKET_SECRET_FILE,
    SOCKET_FILE,
    TICKET_SECRET_FILE,
)
from tests.e2e.test_damaged_data import refused, refused_not
from tests.support.process import Process

SECRETS = [JWT_SECRET_FILE, TICKET_SECRET_FILE, MARKET_SECRET_FILE]


@pytest.fixture(scope="module")
def once_served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory that has been served, to be copied."""
    directory = tmp_path_factory.mktemp("served") / "data"
    with Process(directory) as service:
        assert service.stop() == 0
    (directory / MARKET_SECRET_FILE).touch(0o600)  # A market by a seed has none.
    return directory


@pytest.fixture
def served(once_served: Path, tmp_path: Path) -> Path:
    """Return a data directory that has been served."""
    return copytree(once_served, tmp_path / "data")


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_data_directory_that_everybody_can_write_is_refused(tmp_path: Path, command: str) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o757)

    assert f"run `chmod o-w {directory}`" in refused(directory, command)
    assert list(directory.iterdir()) == []

    directory.chmod(0o755)
    assert refused_not(directory)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("rights", [0o604, 0o602])
def test_a_secret_that_everybody_can_get_at_is_refused(
    served: Path, name: str, rights: int
) -> None:
    path = served / name
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(rights)

    assert f"run `chmod o-rwx {path}`" in refused(served)

    path.chmod(0o640)
    assert refused_not(served)


def test_a_token_is_not_signed_with_a_secret_that_everybody_can_read(served: Path) -> None:
    path = served / JWT_SECRET_FILE
    path.chmod(0o644)

    assert f"chmod o-rwx {path}" in refused(served, "token")


def test_a_data_directory_that_links_to_nothing_is_told_in_one_line(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.symlink_to("gone")

    assert f"{directory}: is a link to gone, which does not exist" in refused(directory)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("command", ["serve", "migrate", "token"])
def test_a_data_directory_that_is_a_file_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    file = tmp_path / "data"
    file.touch()

    assert f"{file}: File exists" in refused(file, command)


def test_a_data_directory_in_which_no_socket_can_be_made_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / SOCKET_FILE).mkdir()

    assert f"no socket can be made at {tmp_path / SOCKET_FILE}" in refused(tmp_path)


@pytest.mark.parametrize("name", [*SECRETS, DATABASE_FILE])
def test_a_file_that_links_to_nothing_is_told_in_one_line(served: Path, name: str) -> None:
    path = served / name
    path.unlink()
    path.symlink_to("gone")

    assert f"{path}: is a link to gone, which does not exist" in refused(served)
    assert not (served / "gone").exists()
