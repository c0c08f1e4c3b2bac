"""The command `bottrading-feeds`: live prices from a source, published to a venue."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence

from bottrading_feeds.asking import add_source, given_currencies, given_symbols
from bottrading_feeds.feed import run_feed
from bottrading_feeds.logs import FORMATS, begin_logging
from bottrading_feeds.port import SourceError
from bottrading_feeds.publisher import VenueRefused
from bottrading_feeds.tokens import NoToken

REFUSED, USAGE_ERROR = 1, 2
INTERRUPTED = 130
TARGET_DEFAULT = "127.0.0.1:50051"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what is wrong is one line on standard error.

    Exit status 2: another try does not help, such as an unknown symbol. 1: the venue refuses the
    feed.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        sys.exit(run(options))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (SourceError, NoToken, VenueRefused) as error:
        is_watched = getattr(options, "tokens_from", None) is not None
        # The process that watches a feed tells what is wrong itself.
        print(
            error if is_watched else f"{options.program}: {error}",
            file=None if is_watched else sys.stderr,
        )
        sys.exit(REFUSED if isinstance(error, VenueRefused) else USAGE_ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bottrading-feeds", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    feed = commands.add_parser(
        "feed",
        help="publish live prices of a source until it ends",
        epilog="BOTTRADING_TOKEN is an operator's token, BOTTRADING_TARGET the gRPC server.",
    )
    feed.set_defaults(run=_feed, program="feed")
    add_source(feed, symbols="*")
    feed.add_argument(
        "--target",
        metavar="HOST:PORT",
        default=os.environ.get("BOTTRADING_TARGET") or TARGET_DEFAULT,
        help="the venue's gRPC server [%(default)s]",
    )
    feed.add_argument("--log-format", choices=FORMATS, default="auto")
    feed.add_argument("--tokens-from", metavar="DESCRIPTOR", type=int, help=argparse.SUPPRESS)
    return parser


def _feed(options: argparse.Namespace) -> int:
    begin_logging(options.log_format)
    return asyncio.run(_until_stopped(options))


async def _until_stopped(options: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    feed = loop.create_task(
        run_feed(
            options.source,
            given_symbols(options),
            given_currencies(options),
            target=options.target,
            tokens_from=options.tokens_from,
            environment=os.environ,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, feed.cancel)
    try:
        await feed
    except asyncio.CancelledError:
        """Somebody stopped the feed."""
    return 0


if __name__ == "__main__":
    main()
