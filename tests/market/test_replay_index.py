"""The index of a replay file: a replay resumes by seeking, and the check is not repeated."""

import gzip
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from server.bootstrap import venue
from server.config import REPLAY_INDEX_FILE, Settings
from server.domain.values import DAY, SECOND, Micros
from server.engine_settings import EngineSettings
from server.market import replay_table
from server.market.moments import from_datetime, to_datetime
from server.market.replay_file import ReplayFacts, check_replay_file, replay_quotes
from server.market.replay_index import circumstances, load_index, store_index
from server.market.replay_table import ReplayFileError
from server.market.sessions import AlwaysOpen
from tests.support.replay_files import BARS, QUOTES, UNIVERSE, check

BEGIN: Micros = from_datetime(datetime.fromisoformat("2025-01-02T00:00:00+00:00"))
ROWS = 60


def rows(header: str, width: Micros) -> list[str]:
    written = []
    for number in range(ROWS):
        time = to_datetime(BEGIN + number * width).isoformat()
        time = time[:10] if width == DAY and number % 2 == 0 else time
        numbers = f"100,1{number},101,2" if header == QUOTES else f"100,103,99,10{number % 3},5"
        written += [f"{time},{symbol},{numbers}" for symbol in ("BTC-USD", "AAPL")]
    return written


FILES = {
    "quotes": [QUOTES, *rows(QUOTES, SECOND)],
    "quotes of one moment": [QUOTES, *rows(QUOTES, 0)],
    "hours": [BARS, *rows(BARS, 3_600 * SECOND)],
    "days": [BARS, *(row.replace("T00:00:00+00:00", "") for row in rows(BARS, DAY))],
    "tabs and blank lines": [
        line.replace(",", "\t")
        for row in [QUOTES, *rows(QUOTES, SECOND)]
        for line in (row, "", " ")
    ],
}


@pytest.fixture(autouse=True)
def many_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_table, "MARK_BYTES", 300)


@pytest.fixture(params=[*FILES, "gzip", "UTF-16"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(FILES.get(request.param, FILES["hours"])))
    if request.param == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes()))
    if request.param == "UTF-16":
        path.write_bytes(path.read_text().encode("utf-16"))
    return path


def rest(facts: ReplayFacts, after: Micros) -> list[object]:
    return list(replay_quotes(facts, UNIVERSE, AlwaysOpen(), after))


def test_a_replay_that_seeks_plays_what_one_plays_that_reads_all(path: Path) -> None:
    facts = check(path)
    assert len(facts.marks) > 5
    whole = list(replay_quotes(facts, UNIVERSE, AlwaysOpen(), facts.start))
    moments = {quote.time + shift for quote in whole[:: len(whole) // 20] for shift in (-1, 0)}
    for after in sorted(moments):
        assert rest(facts, after) == [quote for quote in whole if quote.time > after]


def spoil_first_rows(path: Path) -> None:
    """Change rows so that they cannot be read, and leave the file looking as it was."""
    found, content = path.stat(), path.read_bytes()
    head = content.index(b"\n") + 1
    path.write_bytes(
        content[:head] + content[head : head + 800].replace(b"A", b"?") + content[head + 800 :]
    )
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_what_is_before_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    for name in ("quotes", "hours", "days"):
        path.write_text("\n".join(FILES[name]))
        facts = check(path)
        late = facts.last - 10
        whole = rest(facts, late)
        spoil_first_rows(path)
        assert rest(facts, late) == whole
        with pytest.raises(ReplayFileError):
            rest(facts, facts.start)


def test_an_index_is_of_one_file_in_its_circumstances(path: Path, tmp_path: Path) -> None:
    index, facts, found_in = tmp_path / "index", check(path), circumstances("a", 1)
    store_index(index, facts, found_in)
    loaded = load_index(index, path, found_in)
    assert loaded == facts
    assert (loaded.state, loaded.marks) == (facts.state, facts.marks)
    assert load_index(index, path, circumstances("a", 2)) is None
    assert load_index(index, tmp_path / "other.csv", found_in) is None
    assert load_index(tmp_path / "none", path, found_in) is None
    for content in (b"", b"{}", b"[]", b"\xff", index.read_bytes().replace(b"kind", b"kinds")):
        index.write_bytes(content)
        assert load_index(index, path, found_in) is None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that were read as a whole so far."""
    found = list[Path]()

    def look(path: Path, *rest: object) -> ReplayFacts:
        found.append(path)
        return check_replay_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(venue, "check_replay_file", look)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., EngineSettings]:
    def make(**options: object) -> EngineSettings:
        given = {"market": "replay", "sessions": "always-open", "replay_file": tmp_path / "own.csv"}
        return Settings(data_dir=tmp_path, **given | options).for_engine()  # type: ignore[arg-type]

    return make


def append_line(path: Path) -> None:
    content = path.read_bytes()
    line = {b"\x1f\x8b": gzip.compress(b"\n"), b"\xff\xfe": b"\n\0"}.get(content[:2], b"\n")
    path.write_bytes(content + line)


def test_a_file_is_read_as_a_whole_once_until_something_changes(
    path: Path, looks: list[Path], settings: Callable[..., EngineSettings], tmp_path: Path
) -> None:
    def checked(engine: EngineSettings) -> ReplayFacts:
        return venue.check_replay(engine, venue.universe(engine), AlwaysOpen())

    first = checked(settings())
    assert checked(settings()) == venue.replay_facts(settings(), UNIVERSE, AlwaysOpen()) == first
    assert len(looks) == 1
    append_line(path)
    assert venue.replay_facts(settings(), UNIVERSE, AlwaysOpen()) == first, "the engine's file"
    assert len(looks) == 1
    assert checked(settings()).digest != first.digest
    assert len(looks) == 2
    other = tmp_path / "universe.toml"
    other.write_text(Path(venue.__file__).parents[1].joinpath("market/universe.toml").read_text())
    for _ in range(2):
        checked(settings(universe_file=other))
    assert len(looks) == 3
    other.write_text(other.read_text() + "\n")
    checked(settings(universe_file=other))
    assert len(looks) == 4
    (tmp_path / REPLAY_INDEX_FILE).unlink()
    checked(settings(universe_file=other))
    assert len(looks) == 5
