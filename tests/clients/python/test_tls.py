"""Clients on a server that speaks TLS."""

from pathlib import Path

import pytest

from bottrading_client import (
    AsyncBotTradingClient,
    BotTradingClient,
    KeyManagementClient,
    ServiceUnavailable,
)
from tests.e2e.test_tls import certificate
from tests.support.process import Process

__all__ = ["certificate"]  # A fixture.


async def test_clients_of_both_kinds_speak_tls_with_root_certificates(
    tmp_path: Path,
    certificate: tuple[Path, Path],
) -> None:
    roots = certificate[0].read_bytes()
    settings = {"tls_certificate": str(certificate[0]), "tls_key": str(certificate[1])}
    with Process(tmp_path / "data", rest=True, wait=False, **settings) as service:  # type: ignore[arg-type]
        service.wait_until_rest_is_ready()
        target = service.grpc
        with KeyManagementClient(service.token("ada"), target, root_certificates=roots) as person:
            key = person.create_key("bot").key
        with BotTradingClient(key, target, root_certificates=roots) as client:
            account = client.account()
        async with AsyncBotTradingClient(key, target, root_certificates=roots) as other:
            assert (await other.account()).bot_user_id == account.bot_user_id
        with (
            BotTradingClient(key, target, timeout=0.5) as plain,
            pytest.raises(ServiceUnavailable),
        ):
            plain.account()
