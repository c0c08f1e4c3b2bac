"""TLS between machines: only replicas of the venue reach its engine, byte for byte."""

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.config import Settings, SettingsError, load
from server.engine.client import Notifications
from server.engine.peers import Peer
from server.engine_certificates import write_certificates
from server.processes.engine_tls import EngineGate, opener, tls_of_engine, tls_to_engines
from tests.support.postgresql import Server
from tests.support.process import Process, free_port

HOST = "127.0.0.1"
NOW = datetime.now(UTC)
NOTIFICATIONS = Notifications(
    QuoteBoard(0),
    HeardMinutes(),
    notify_quotes=lambda _: None,
    notify_logs=lambda _: None,
    end_key=lambda _: None,
    forget_user=lambda _: None,
    set_time=lambda _: None,
)
MEGABYTES = bytes(range(256)) * 16_384


def settings(directory: Path, port: int, *, host: str = HOST, **given: Any) -> Settings:
    """Return the settings of a replica whose certificate is for `host`."""
    files = {
        "engine_certificate": directory / f"{host}.pem",
        "engine_key": directory / f"{host}.key",
        "engine_ca": directory / "ca.pem",
    }
    address = f"{HOST}:{port}"
    return load(database="postgresql://db/venue", engine_address=address, **{**files, **given})


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    write_certificates(tmp_path / "ca", [HOST, "other.example"], NOW)
    return tmp_path / "ca"


class Echo:
    """The socket of an engine that sends back what it gets."""

    def __init__(self) -> None:
        self.connections: list[StreamWriter] = []
        self.left = asyncio.Event()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections.append(writer)
        while said := await reader.read(1 << 16):
            writer.write(said)
            await writer.drain()
        writer.close()
        self.left.set()


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Echo]:
    made = Echo()
    engine = await asyncio.start_unix_server(made.serve, tmp_path / "engine.sock")
    yield made
    for connection in made.connections:
        connection.close()
    engine.close()


@pytest.fixture
async def replica(certificates: Path, tmp_path: Path, echo: Echo) -> AsyncIterator[Settings]:
    opened = settings(certificates, free_port())
    gate = EngineGate(tmp_path / "engine.sock", opened.engine_address, tls_of_engine(opened))
    await gate.open()
    yield opened
    await gate.close()


async def connect(to: Settings, by: ssl.SSLContext | None) -> tuple[StreamReader, StreamWriter]:
    port = int(to.engine_address.rpartition(":")[2])
    return await asyncio.open_connection(HOST, port, ssl=by)


async def is_refused(to: Settings, by: ssl.SSLContext | None) -> bool:
    """Tell whether nothing that is sent reaches the engine."""
    try:
        reader, writer = await connect(to, by)
        writer.write(b"spoken")
        answer = await reader.read(6)
    except OSError:
        return True
    writer.close()
    return answer != b"spoken"


async def test_bytes_pass_both_ways(replica: Settings) -> None:
    reader, writer = await connect(replica, tls_to_engines(replica))
    writer.write(MEGABYTES)

    assert await reader.readexactly(len(MEGABYTES)) == MEGABYTES
    writer.close()


async def test_the_end_of_one_side_ends_the_other(replica: Settings, echo: Echo) -> None:
    reader, writer = await connect(replica, tls_to_engines(replica))
    writer.write(b"spoken")
    await reader.readexactly(6)
    writer.close()
    await echo.left.wait()

    reader, writer = await connect(replica, tls_to_engines(replica))
    writer.write(b"spoken")
    await reader.readexactly(6)
    echo.connections[-1].close()
    assert await reader.read() == b""
    writer.close()


async def test_who_has_no_certificate_of_the_venues_authority_reaches_no_engine(
    replica: Settings, tmp_path: Path
) -> None:
    write_certificates(tmp_path / "foreign", [HOST], NOW)
    theirs = tls_to_engines(settings(tmp_path / "foreign", 1))
    theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE

    assert await is_refused(replica, theirs)
    assert await is_refused(replica, nobody)
    assert await is_refused(replica, None)
    assert not await is_refused(replica, tls_to_engines(replica))


async def test_a_certificate_that_has_expired_reaches_no_engine(
    replica: Settings, certificates: Path
) -> None:
    write_certificates(certificates, ["old.example"], NOW - timedelta(days=4_000))

    assert await is_refused(replica, tls_to_engines(settings(certificates, 1, host="old.example")))


async def test_a_replica_with_the_certificate_of_another_host_is_not_believed(
    certificates: Path, tmp_path: Path
) -> None:
    opened = settings(certificates, free_port(), host="other.example")
    gate = EngineGate(tmp_path / "engine.sock", opened.engine_address, tls_of_engine(opened))
    await gate.open()
    with pytest.raises(ssl.SSLCertVerificationError, match=r"IP address mismatch"):
        await connect(opened, tls_to_engines(opened))
    await gate.close()


async def test_while_the_engine_is_away_a_connection_ends_at_once(
    certificates: Path, tmp_path: Path
) -> None:
    opened = settings(certificates, free_port())
    gate = EngineGate(tmp_path / "engine.sock", opened.engine_address, tls_of_engine(opened))
    await gate.open()
    reader, writer = await connect(opened, tls_to_engines(opened))
    assert await reader.read() == b""
    writer.close()
    await gate.close()


async def test_an_address_in_use_is_named(certificates: Path, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        opened = settings(certificates, taken.getsockname()[1])
        gate = EngineGate(tmp_path / "engine.sock", opened.engine_address, tls_of_engine(opened))
        with pytest.raises(SettingsError, match=r"^engine_address: .* --engine-address HOST:PORT"):
            await gate.open()


async def test_a_replica_reaches_the_engine_of_a_running_service(
    certificates: Path, postgresql: Server, tmp_path: Path
) -> None:
    other, url = settings(certificates, free_port()), postgresql.new_database()
    files = [other.engine_certificate, other.engine_key, other.engine_ca]
    names = ("engine_certificate", "engine_key", "engine_ca")
    given: dict[str, Any] = dict(zip(names, map(str, files), strict=True))
    options = ["--engine-address", other.engine_address]
    with Process(tmp_path / "data", *options, database=url, **given) as service:
        assert await is_refused(other, None)
        changes: asyncio.Queue[bool] = asyncio.Queue()
        peer = Peer(
            f"tcp:{other.engine_address}",
            opener(other),
            NOTIFICATIONS,
            lambda: changes.put_nowait(peer.is_ready),
            answer_seconds_max=9,
        )
        assert await changes.get()

        assert await asyncio.to_thread(service.stop) == 0
        assert not await changes.get()
        peer.abort()
    postgresql.drop(url)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"engine_ca": None}, "must be given together"),
        ({"database": ""}, "is for a venue in PostgreSQL"),
        ({"engine_address": "0.0.0.0:7000"}, "is no address that other machines reach"),
        ({"engine_address": "10.0.0.1:0"}, "needs a port"),
        ({"engine_address": "10.0.0.1"}, "must be HOST:PORT"),
        ({"engine_address": "127.0.0.1:8080"}, "are both at 127.0.0.1:8080"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    files = {"engine_certificate": tmp_path, "engine_key": tmp_path, "engine_ca": tmp_path}
    whole = {"database": "postgresql://db/venue", "engine_address": "10.0.0.1:7000", **files}

    with pytest.raises(SettingsError, match=told):
        load(**{**whole, **given})


@pytest.mark.parametrize("setting", ["engine_certificate", "engine_key", "engine_ca"])
def test_a_file_that_cannot_be_used_is_named(setting: str, certificates: Path) -> None:
    for content in (None, "no PEM"):
        path = certificates / "broken.pem"
        if content is not None:
            path.write_text(content)
        wrong: dict[str, Any] = {setting: path}
        with pytest.raises(SettingsError, match=rf"{setting}.*broken\.pem"):
            tls_of_engine(settings(certificates, 7000, **wrong))


def test_a_second_call_adds_hosts_to_the_same_authority(certificates: Path) -> None:
    authority = (certificates / "ca.pem").read_bytes()
    written = write_certificates(certificates, ["new.example"], NOW)

    assert [path.name for path in written] == ["new.example.pem", "new.example.key"]
    assert (certificates / "ca.pem").read_bytes() == authority
    assert {path.stat().st_mode & 0o777 for path in certificates.glob("*.key")} == {0o600}


def test_a_damaged_authority_is_named(certificates: Path) -> None:
    (certificates / "ca.key").write_text("no key")

    with pytest.raises(SettingsError, match="is damaged"):
        write_certificates(certificates, ["new.example"], NOW)
