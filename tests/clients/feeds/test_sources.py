"""Sources are found by name, and what is missing is told in one line."""

import pytest

from bottrading_feeds import SourceError, open_source
from bottrading_feeds.lines_source import LinesSource
from bottrading_feeds.sources import SOURCES, Row, parse_urls


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("yahoo", "'yahoo' is not a source: choose one of "),
        ("lines:x", "'lines:x' is not a source: write lines"),
        ("", "'' is not a source: choose one of "),
    ],
)
def test_a_name_that_is_no_source_says_which_are(name: str, told: str) -> None:
    with pytest.raises(SourceError) as refused:
        open_source(name)

    assert str(refused.value).startswith(told)


def test_a_source_that_is_not_installed_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("not_here.at_all", "not_here", "make setup-x", "EXCHANGE")
    monkeypatch.setitem(SOURCES, "away", row)

    with pytest.raises(SourceError, match=r"^away needs the package not_here: run `make setup-x`$"):
        open_source("away:one")
    with pytest.raises(SourceError, match=r"^'away' is not a source: write away:EXCHANGE$"):
        open_source("away")


def test_another_missing_module_is_not_taken_for_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SOURCES, "away", Row("not_here.at_all", "other", "make setup-x"))

    with pytest.raises(ModuleNotFoundError):
        open_source("away")


def test_lines_are_a_source() -> None:
    assert isinstance(open_source("lines"), LinesSource)


def test_addresses_are_for_all_or_by_name() -> None:
    assert parse_urls("") == {}
    assert parse_urls("http://127.0.0.1:9") == {"": "http://127.0.0.1:9"}
    assert parse_urls("rest=https://a/v1?x=1, ws=wss://b:9") == {
        "rest": "https://a/v1?x=1",
        "ws": "wss://b:9",
    }


@pytest.mark.parametrize("text", ["localhost", "rest=localhost:80", "https://"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match=r"^BOTTRADING_FEED_URLS: '.*' is no address: write "):
        parse_urls(text)
