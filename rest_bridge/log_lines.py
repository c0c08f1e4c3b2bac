"""Log lines, the same in every process: text for people at a terminal, JSON for programs."""

import logging
import time
from typing import Literal, TextIO, TypeAlias

import orjson

LogFormat: TypeAlias = Literal["auto", "text", "json"]

ERROR_STYLE = "bold red"
WARNING_STYLE = "bold yellow"
QUIET_STYLE = "dim"

# Control characters in the text of a caller or a file could change what a terminal shows.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def chosen(log_format: LogFormat, stream: TextIO) -> LogFormat:
    """Return text or json; `auto` is text if the stream is a terminal, and json otherwise."""
    if log_format == "auto":
        return "text" if stream.isatty() else "json"
    return log_format


def formatter(log_format: LogFormat, process: str, stream: TextIO) -> logging.Formatter:
    """Return the formatter of this process's records; `process` is its name in the lines."""
    if chosen(log_format, stream) == "text":
        return TextFormatter(process, Paint(stream))
    return JsonFormatter(process)


def head(seconds: float, source: str) -> str:
    """Return how a line for people begins: a Unix time as local time, and the source."""
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))} {source:<6}"


class Paint:
    """Colours text where a stream shows colours."""

    def __init__(self, stream: TextIO) -> None:
        # Imported here, because a log for programs does not need it.
        from rich.color import ColorSystem
        from rich.console import Console
        from rich.style import Style

        console = Console(file=stream)
        is_shown = console.color_system is not None and not console.no_color
        self._system = ColorSystem.STANDARD if is_shown else None
        self._style = Style.parse

    def __call__(self, text: str, style: str) -> str:
        """Return text in a style such as `bold red`."""
        return self._style(style).render(text, color_system=self._system)


class TextFormatter(logging.Formatter):
    """Makes a short line for people, in local time; warnings and errors stand out."""

    def __init__(self, process: str, paint: Paint) -> None:
        super().__init__()
        self._process = process
        self._paint = paint

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text; a traceback follows on lines of its own."""
        text = record.getMessage().translate(_CONTROLS)
        if record.levelno >= logging.WARNING:
            style = ERROR_STYLE if record.levelno >= logging.ERROR else WARNING_STYLE
            text = self._paint(f"{record.levelname} {text}", style)
        line = f"{self._paint(head(record.created, self._process), QUIET_STYLE)} {text}"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info).translate(_CONTROLS)}"
        return line


class JsonFormatter(logging.Formatter):
    """Makes an object on a line for programs; `time` is in Unix seconds."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        line = {
            "time": round(record.created, 6),
            "event": "log",
            "process": self._process,
            "level": record.levelname,
            "message": _encodable(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = _encodable(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


def _encodable(text: str) -> str:
    # Names of files need not be UTF-8.
    return text.encode(errors="backslashreplace").decode()
