"""Keepalive pings of clients: ordinary ones are only answered, a flood of them ends a connection.

The clients here speak HTTP/2 by hand: those of gRPC ping no faster than every few seconds.
"""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from server.rpc import server
from server.rpc.server import PING_INTERVAL_MS_MIN, PING_STRIKES_MAX
from tests.support.streams import READ_SECONDS_MAX
from tests.support.venue import Venue, VenueFactory

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING, GOAWAY = 0x1, 0x4, 0x6, 0x7
ACKNOWLEDGES, END_HEADERS = 0x1, 0x4
ENHANCE_YOUR_CALM = 11
WATCH = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/grpc.health.v1.Health/Watch"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
)


def frame(kind: int, flags: int, payload: bytes = b"", stream: int = 0) -> bytes:
    return (
        struct.pack("!I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack("!I", stream)
        + payload
    )


def headers() -> bytes:
    """Return the headers of a call as literals that are not indexed."""
    return b"".join(
        b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in pair) for pair in WATCH
    )


class Connection:
    """A connection by hand, which answers nothing but settings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        writer.write(PREFACE + frame(SETTINGS, 0))

    def open_call(self) -> None:
        """Begin a call that stays open: its message never comes."""
        self._writer.write(frame(HEADERS, END_HEADERS, headers(), stream=1))

    async def ping(self) -> int | None:
        """Send a ping and read until its answer; return the error code of a GOAWAY instead."""
        self._writer.write(frame(PING, 0, b"8 bytes."))
        async with asyncio.timeout(READ_SECONDS_MAX):
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                if head[3] == PING and head[4] & ACKNOWLEDGES:
                    return None
                if head[3] == GOAWAY:
                    return int.from_bytes(payload[4:8])

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def fast_time(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let a server take pings as often as every 10 ms; return twice that, in seconds.

    The ratio is that of 10 s to the real minimum interval.
    """
    scaled = [
        (name, 10 if name == "grpc.http2.min_ping_interval_without_data_ms" else value)
        for name, value in server.OPTIONS
    ]
    monkeypatch.setattr(server, "OPTIONS", scaled)
    return 0.02


@pytest.fixture
async def venue(fast_time: float, start_venue: VenueFactory) -> Venue:
    return await start_venue()


@pytest.fixture
async def connection(venue: Venue) -> AsyncIterator[Connection]:
    host, port = venue.address.split(":")
    connection = Connection(*await asyncio.open_connection(host, int(port)))
    yield connection
    connection.close()


@pytest.mark.parametrize("calls", [0, 1])
async def test_pings_of_an_ordinary_client_are_answered_for_ever(
    connection: Connection, fast_time: float, calls: int
) -> None:
    for _ in range(calls):
        connection.open_call()

    for _ in range(4 * PING_STRIKES_MAX):
        assert await connection.ping() is None
        await asyncio.sleep(fast_time)


@pytest.mark.parametrize("calls", [0, 1])
async def test_a_flood_of_pings_ends_the_connection(connection: Connection, calls: int) -> None:
    for _ in range(calls):
        connection.open_call()
    answered = 0
    while (ended := await connection.ping()) is None:
        answered += 1
        assert answered < 1_000, "a flood is answered for ever"

    assert ended == ENHANCE_YOUR_CALM
    assert answered >= PING_STRIKES_MAX


def test_a_ping_every_ten_seconds_has_room_for_delays_on_its_way() -> None:
    assert PING_INTERVAL_MS_MIN <= 5_000
