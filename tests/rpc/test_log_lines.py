"""Log lines: what is logged once, what is counted, and what a terminal must not get."""

import json
import logging
import os
import sys
import threading
from pathlib import Path

import pytest

from rest_bridge import line_writer
from rest_bridge.line_writer import LineHandler, LineWriter
from rest_bridge.log_lines import JsonFormatter, Paint, TextFormatter, formatter
from server.application.ports import StorageUnavailable
from server.processes.foreseen import Foreseen


class Log:
    """A logger of its own whose lines go to a file."""

    def __init__(self, path: Path, form: logging.Formatter) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        self._lines = LineWriter(self._descriptor)
        self._handler = LineHandler(self._lines)
        self._handler.setFormatter(form)
        self._handler.addFilter(Foreseen())
        self.logger = logging.Logger("test")
        self.logger.addHandler(self._handler)

    def close(self) -> list[str]:
        """Return the lines that were written."""
        self._handler.close()
        self._lines.close()
        os.close(self._descriptor)
        return self._path.read_text().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log", JsonFormatter("engine"))


def messages(lines: list[str]) -> list[str]:
    return [json.loads(line)["message"] for line in lines]


def test_a_warning_that_comes_again_is_counted_and_told_once_more(log: Log) -> None:
    for number in range(3):
        log.logger.warning("The disk is %s.", "full")
        log.logger.info("Number %d", number)
    log.logger.warning("Another.")

    assert messages(log.close()) == [
        "The disk is full.",
        "Number 0",
        "Number 1",
        "Number 2",
        "Another.",
        "The disk is full. (again 2 times)",
    ]


def test_what_is_counted_is_told_after_a_while_by_itself(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "REPEAT_SECONDS", 0.01)
    timers: list[threading.Timer] = []
    start = threading.Timer.start

    def held(timer: threading.Timer) -> None:
        timers.append(timer)

    monkeypatch.setattr(threading.Timer, "start", held)
    log.logger.error("Full.")
    log.logger.error("Full.")
    start(timers[0])
    timers[0].join(10)
    log.logger.error("Full.")

    assert messages(log.close()) == ["Full.", "Full. (again once)", "Full."]


def test_a_foreseen_fault_is_one_line_without_traceback_and_a_bug_has_one(log: Log) -> None:
    sql = RuntimeError("(sqlite3.OperationalError) [SQL: SELECT secret FROM accounts]")
    for fault in (StorageUnavailable("SQLITE_FULL"), ZeroDivisionError("a bug")):
        try:
            raise fault from sql
        except Exception:
            log.logger.exception("Not done.\nfuture: <Task>")

    foreseen, bug = map(json.loads, log.close())
    assert foreseen["message"] == "Not done. (SQLITE_FULL)"
    assert "traceback" not in foreseen
    assert "ZeroDivisionError: a bug" in bug["traceback"]


def test_text_of_others_cannot_rewrite_the_terminal(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", TextFormatter("front", Paint(sys.stderr)))
    log.logger.info("a\x1b[2Jb\rc\x9bd %s", "name-\udcff")

    [line] = log.close()
    assert line.endswith(r" front  a\x1b[2Jb\x0dc\x9bd name-\udcff")


@pytest.mark.parametrize("name", ["name-\udcff", "ü"])
def test_any_name_of_a_file_can_be_told_as_json(log: Log, name: str) -> None:
    log.logger.info("%s", name)

    assert messages(log.close()) == [name.encode(errors="backslashreplace").decode()]


def test_what_is_no_terminal_gets_json(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert isinstance(formatter("auto", "front", stream), JsonFormatter)
        assert isinstance(formatter("text", "front", stream), TextFormatter)
