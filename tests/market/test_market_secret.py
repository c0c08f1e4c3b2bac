"""The secret of a market: created once, kept private, refused if damaged."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from server.domain.values import SECOND
from server.market.moments import to_datetime
from server.market.secret import (
    MarketSecret,
    SecretFileError,
    load_or_create_secret,
    secret_from_seed,
)

NOW = 1_795_000_000 * SECOND + 123_456


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "market.secret"
    made = load_or_create_secret(path, NOW)
    assert len(made.key) == 32
    assert made.origin == 1_795_000_000 * SECOND
    assert load_or_create_secret(path, NOW + 90 * SECOND) == made
    assert list(tmp_path.iterdir()) == [path]


def test_two_secrets_differ(tmp_path: Path) -> None:
    first, second = (load_or_create_secret(tmp_path / name, NOW) for name in "ab")
    assert first.key != second.key


def test_only_the_owner_may_read_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "market.secret"
    umask = os.umask(0)
    try:
        load_or_create_secret(path, NOW)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_many_threads_that_start_at_once_one_makes_the_secret(tmp_path: Path) -> None:
    threads = 8
    for attempt in range(5):
        path = tmp_path / f"{attempt}.secret"
        together = Barrier(threads)

        def start(number: int, path: Path = path, together: Barrier = together) -> MarketSecret:
            together.wait()
            return load_or_create_secret(path, NOW + number * SECOND)

        with ThreadPoolExecutor(threads) as pool:
            secrets = set(pool.map(start, range(threads)))
        assert secrets == {load_or_create_secret(path, NOW)}
    assert len(list(tmp_path.iterdir())) == 5


def test_of_two_processes_that_start_at_once_one_makes_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "market.secret"
    script = (
        "import sys; from pathlib import Path;"
        "from server.market.secret import load_or_create_secret;"
        "print('ready', flush=True); sys.stdin.readline();"
        "print(load_or_create_secret(Path(sys.argv[1]), int(sys.argv[2])).key.hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(NOW + number * SECOND)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert keys == {load_or_create_secret(path, NOW).key.hex()}


KEY_LINE = f'key = "{"5e" * 32}"\n'
ORIGIN_LINE = "origin = 2026-11-22T08:50:00Z\n"


def test_the_file_can_be_read_by_a_person(tmp_path: Path) -> None:
    path = tmp_path / "market.secret"
    path.write_text(KEY_LINE + ORIGIN_LINE)
    secret = load_or_create_secret(path, NOW)
    assert secret.key == b"\x5e" * 32
    assert to_datetime(secret.origin).isoformat() == "2026-11-22T08:50:00+00:00"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "key: must be 64 hexadecimal digits"),
        ("5e5e5e", "key: must be 64 hexadecimal digits"),
        (KEY_LINE[:-4] + '"\n' + ORIGIN_LINE, "key: must be 64 hexadecimal digits"),
        (KEY_LINE.upper().replace("KEY", "key") + ORIGIN_LINE, "key: must be 64"),
        ("key = 5\n" + ORIGIN_LINE, "key: must be 64 hexadecimal digits"),
        (KEY_LINE + KEY_LINE + ORIGIN_LINE, "key: must be 64 hexadecimal digits"),
        ("\xff\xfe", "key: must be 64 hexadecimal digits"),
        (KEY_LINE, "origin: must be a moment in UTC"),
        (KEY_LINE + "origin = 5\n", "origin: must be a moment in UTC"),
        (KEY_LINE + "origin = 2026-11-22T08:50:00\n", "origin: must be a moment in UTC"),
        (KEY_LINE + "origin = 2026-11-22T08:50:00.5Z\n", "origin: must be a moment in UTC"),
    ],
)
def test_a_damaged_secret_is_refused_and_not_shown(
    tmp_path: Path, content: str, problem: str
) -> None:
    """Making a new one instead would move every price of a market that people trade in."""
    path = tmp_path / "market.secret"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(SecretFileError) as caught:
        load_or_create_secret(path, NOW)
    assert f"{path}: {problem}" in str(caught.value)
    assert "5e5e" not in str(caught.value).lower()
    assert caught.value.__context__ is None
    assert path.read_text(encoding="latin-1") == content


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_or_create_secret(tmp_path / "missing" / "market.secret", NOW)


def test_a_secret_does_not_print_its_key() -> None:
    secret = secret_from_seed(7)
    assert secret.key.hex() not in repr(secret)
    assert repr(secret.key) not in repr(secret)


def test_a_seed_always_gives_the_same_secret() -> None:
    assert secret_from_seed(7) == secret_from_seed(7)
    assert secret_from_seed(7).key != secret_from_seed(8).key
    assert to_datetime(secret_from_seed(7).origin).isoformat() == "2026-01-01T00:00:00+00:00"
