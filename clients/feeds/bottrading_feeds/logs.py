"""Log lines of a feed, in the form of the service's own: text for people, JSON for programs."""

import json
import logging
import re
import sys
import time

FORMATS = ("auto", "text", "json")
PROCESS = "feed"

_PASSWORD = re.compile(r"//[^/@\s]*@")


def begin_logging(log_format: str) -> None:
    """Log to standard error; `auto` is text on a terminal and JSON elsewhere."""
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Text() if is_text else _Json())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(__package__).setLevel(logging.INFO)


def one_line(error: BaseException) -> str:
    """Return what an error says, or its name, as one short line."""
    return plain(str(error))[:200] or type(error).__name__


def plain(text: str) -> str:
    """Return a text of somebody else as one line: no control characters, no password of a URL."""
    line = "".join(it if it.isprintable() else repr(it)[1:-1] for it in " ".join(text.split()))
    return _PASSWORD.sub("//", line)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = "".join(it if it.isprintable() else repr(it)[1:-1] for it in record.getMessage())
        level = f"{record.levelname} " if record.levelno >= logging.WARNING else ""
        line = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {PROCESS:<6} "
        line += f"{level}{told}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 6),
            "event": "log",
            "process": PROCESS,
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
