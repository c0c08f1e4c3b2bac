"""Runs a command whose standard error is a terminal; standard output gets what that shows."""

import os
import pty
import sys


def main() -> None:
    """Become the command; a process of its own copies, and ends when the terminal has no writer."""
    ours, theirs = pty.openpty()
    if copier := os.fork():
        os.waitpid(copier, 0)
    else:
        os.close(theirs)
        if os.fork() == 0:
            _copy(ours)
        # The copier is no child of the command, which would wonder about its end.
        os._exit(0)
    os.close(ours)
    os.dup2(theirs, sys.stderr.fileno())
    os.close(theirs)
    os.execvp(sys.argv[1], sys.argv[1:])


def _copy(screen: int) -> None:
    try:
        while shown := os.read(screen, 65536):
            os.write(sys.stdout.fileno(), shown)
    except OSError:
        return


if __name__ == "__main__":
    main()
