"""The progress bar of commands that take long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Show: TypeAlias = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and how much there is."""


@contextmanager
def progress_bar(first: str) -> Iterator[Show]:
    """Show a progress bar on standard error if that is a terminal, else nothing.

    `first` says what is done before its amount is known.
    """
    if not sys.stderr.isatty():
        yield lambda _what, _done, _all: None
        return
    # Imported here: a script does not need it.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda what, done, expected: bar.update(
            task, description=what, completed=done, total=expected
        )
