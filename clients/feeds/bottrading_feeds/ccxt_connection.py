"""How the library ccxt is connected: addresses, pings, garbage, silence, and the end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import ccxt

from bottrading_feeds.logs import plain
from bottrading_feeds.port import Alive, SourceError, Tell
from bottrading_feeds.sources import Urls

CLOSE_SECONDS = 1.0
TEXT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an exchange is pinged, and how long it may be silent.

    An answer to a ping that is late by as much means that the feed lags: in a burst, the answer
    waits behind all messages that have not been read. A new connection begins without them.
    """

    ping_seconds: float = 2.5
    silence_seconds: float = 10.0


PATIENCE = Patience()


def prepare(exchange: Any, urls: Urls, patience: Patience) -> Any:
    """Make an exchange of the library ready for a feed: only spot markets, often pinged."""
    exchange.urls["api"] = _replaced(exchange.urls["api"], _checked(urls))
    exchange.options.update(_spot_alone(exchange.options))
    usual, wanted = exchange.streaming.get("keepAlive"), round(patience.ping_seconds * 1000)
    pause = min(usual or wanted, wanted)
    exchange.streaming = {
        **exchange.streaming,
        "keepAlive": pause,
        "maxPingPongMisses": patience.silence_seconds * 1000 / pause,
    }
    return exchange


def drop_unreadable(exchange: Any, drop: Callable[[str], None]) -> None:
    """Read on after a frame that the library cannot read, and tell its beginning to `drop`.

    Without this the library would stop to read, while the connection stays open.
    """
    connect = exchange.client

    def client(url: str) -> Any:
        made = connect(url)
        if not isinstance(made.handle_message, _Reader):
            made.handle_message = _Reader(made, made.handle_message, drop)
        return made

    exchange.client = client  # the library looks all its connections up with this method


async def until_lost(exchange: Any, patience: Patience, tell: Tell) -> None:
    """Wait until a connection of the exchange is lost or brings nothing; raise ConnectionError.

    Until then, tell Alive while all connections bring something, if only answers to pings.
    """
    allowed = patience.silence_seconds
    known = list[Any]()
    while True:
        await asyncio.sleep(allowed / 10)
        clients = list((exchange.clients or {}).values())
        for client in known:
            # The library connects anew without an error if nobody waits for a message just then.
            if client not in clients:
                raise ConnectionError(f"{exchange.id}: {_line(client.error or 'closed')}")
        known = [client for client in clients if client.connectionEstablished]
        silences = [
            exchange.milliseconds() - (client.last_message_at or client.connectionEstablished)
            for client in known
        ]
        longest = max(silences, default=0) / 1000
        if longest > allowed:
            raise ConnectionError(f"{exchange.id} has sent nothing for {allowed:g} s")
        if silences and longest < 2 * patience.ping_seconds:
            tell(Alive())


async def disconnect(exchange: Any) -> None:
    """Close the sockets of an exchange; one that does not answer is closed after a second."""
    clients, exchange.clients = list((exchange.clients or {}).values()), {}
    for client in clients:
        # Otherwise its late end would take the next connection to the same address away.
        client.error = client.error or ccxt.NetworkError("closed by the feed")
    await asyncio.gather(*(_close(client) for client in clients))
    for known in (exchange.tickers, exchange.bidsasks, exchange.orderbooks):
        known.clear()


@contextmanager
def in_one_line(exchange: Any) -> Iterator[None]:
    """Raise the library's errors as SourceError or ConnectionError, with a text of one line."""
    try:
        yield
    except (ccxt.NotSupported, ccxt.BadSymbol) as error:
        raise SourceError(f"{exchange.id}: {_line(error)}") from error
    except ccxt.AuthenticationError as error:
        raise SourceError(
            f"{exchange.id} gives no public prices here: {_line(error)}; choose another exchange"
        ) from error
    except ccxt.BaseError as error:
        raise ConnectionError(f"{exchange.id}: {type(error).__name__}: {_line(error)}") from error


class _Reader:
    """Reads the frames of one connection, whatever they hold."""

    def __init__(
        self, client: Any, read: Callable[[Any], None], drop: Callable[[str], None]
    ) -> None:
        self._client = client
        self._read = read
        self._drop = drop

    def __call__(self, message: Any) -> None:
        try:
            self._read(message)
        except ccxt.BaseError as error:
            self._client.reject(error)
        except Exception:
            self._drop(str(message.data)[:TEXT_LENGTH])


async def _close(client: Any) -> None:
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_SECONDS)


def _checked(urls: Urls) -> Urls:
    for name in urls:
        if name not in ("", "rest", "stream"):
            raise SourceError(
                f"BOTTRADING_FEED_URLS: an exchange has the addresses rest and stream, not {name!r}"
            )
    return urls


def _replaced(urls: Any, addresses: Urls) -> Any:
    if isinstance(urls, dict):
        return {name: _replaced(url, addresses) for name, url in urls.items()}
    if not isinstance(urls, str) or not addresses:
        return urls
    old = urlsplit(urls)
    kind = "stream" if old.scheme in ("ws", "wss") else "rest"
    address = addresses.get(kind) or addresses.get("")
    if not address:
        return urls
    new = urlsplit(address)
    secure = "s" if new.scheme in ("https", "wss") else ""
    scheme = ("ws" if kind == "stream" else "http") + secure
    return f"{scheme}://{new.netloc}{new.path.rstrip('/')}{old.path}"


def _spot_alone(options: Any) -> dict[str, Any]:
    """Return the library's option of which markets it reads, without those that are not spot."""
    wanted = options.get("fetchMarkets")
    types = wanted.get("types") if isinstance(wanted, dict) else None
    if not types:
        return {}
    spot = {name: name == "spot" for name in types} if isinstance(types, dict) else ["spot"]
    return {"fetchMarkets": {**wanted, "types": spot}}


def _line(error: Exception | str) -> str:
    return plain(str(error))[:300]
