"""The command `bottrading`, also as `python -m server`."""

import signal


def main() -> None:
    """Run the command line; an interrupt during loading ends the process without a traceback."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imported here: loading takes a second, in which people press Ctrl-C.
    from server import cli

    signal.signal(signal.SIGINT, before)
    cli.main()


if __name__ == "__main__":
    main()
